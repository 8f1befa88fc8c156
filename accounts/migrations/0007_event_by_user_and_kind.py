"""Safe at any size of the members' table: an index on the history, which is new in this release."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_former_username")]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["user_id", "kind", "-id"], name="event_by_user_and_kind"),
        ),
    ]
