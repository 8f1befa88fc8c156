"""Safe on a large table: the index is built while mail goes out."""

from django.db import migrations, models

from bottomline.operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("outbox", "0002_dead_letters")]

    operations = [
        AddIndexOnline(
            model_name="outboxmessage",
            index=models.Index(condition=models.Q(("status", "sent")), fields=["sent_at"], name="outbox_sent"),
        ),
    ]
