"""Safe on a large table: both indexes are built while invites are made and used."""

from django.db import migrations, models

from bottomline.operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("invites", "0003_freeze")]

    operations = [
        AddIndexOnline(
            model_name="invite",
            index=models.Index(fields=["created_at"], name="invite_by_age"),
        ),
        AddIndexOnline(
            model_name="invite",
            index=models.Index(condition=models.Q(("opened_at__isnull", False)), fields=["opened_at"], name="invite_by_opening"),
        ),
    ]
