"""Safe on a large table: the index is built while members go on, and holds the blocked alone."""

from django.db import migrations, models

from bottomline.operations import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0012_block_reason")]

    operations = [
        AddIndexOnline(
            model_name="user",
            index=models.Index(condition=models.Q(("blocked_until__isnull", False)), fields=["blocked_until"], name="user_blocked"),
        ),
    ]
