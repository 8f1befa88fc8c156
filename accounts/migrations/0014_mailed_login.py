"""A new table."""

import bottomline.tokens
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0013_user_blocked'),
    ]

    operations = [
        migrations.CreateModel(
            name='MailedLogin',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=bottomline.tokens.new_public_id, editable=False, unique=True)),
                ('sent_to', models.CharField(max_length=254, unique=True)),
                ('invite', models.UUIDField(null=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('expires_at', models.DateTimeField()),
                ('guesses', models.PositiveSmallIntegerField(default=0)),
                ('used_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['expires_at'], name='mailed_login_by_end')],
            },
        ),
    ]
