"""The user names members give up: a table of its own, so nothing that is in use is locked."""

import accounts.models.former_username
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_profile'),
    ]

    operations = [
        migrations.CreateModel(
            name='FormerUsername',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('username', models.CharField(max_length=30)),
                ('username_key', models.CharField(max_length=30, unique=True)),
                ('given_up_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('held_until', models.DateTimeField(db_index=True, default=accounts.models.former_username.end_of_holding)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='former_usernames', to=settings.AUTH_USER_MODEL)),
            ],
        ),
    ]
