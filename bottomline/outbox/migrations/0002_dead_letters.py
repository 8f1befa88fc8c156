"""Safe at any size of the members' table: an index on the outbox, which is new in this release."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("outbox", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="outboxmessage",
            index=models.Index(
                condition=models.Q(("status", "dead")), fields=["created_at"], name="outbox_dead"
            ),
        ),
    ]
