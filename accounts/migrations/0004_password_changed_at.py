"""When the password was last changed. A nullable column: no rewrite, and the lock is momentary."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_event'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='password_changed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
    ]
