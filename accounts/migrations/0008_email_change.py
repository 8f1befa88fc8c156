"""A new table; nothing that there is already is touched or locked."""

import bottomline.tokens
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0007_event_by_user_and_kind"),
    ]

    operations = [
        migrations.CreateModel(
            name='EmailChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=bottomline.tokens.new_public_id, editable=False, unique=True)),
                ('old_email', models.CharField(max_length=254)),
                ('new_email', models.CharField(max_length=254)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('confirmed_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('undone_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='email_changes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'indexes': [models.Index(fields=['old_email'], name='email_change_by_old_address')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('confirmed_at', None), ('ended_at', None), ('undone_at', None)), fields=('user',), name='email_change_one_at_a_time'), models.CheckConstraint(condition=models.Q(('new_email', models.F('old_email')), _negated=True), name='email_change_changes'), models.CheckConstraint(condition=models.Q(('confirmed_at', None), ('ended_at', None), _connector='OR'), name='email_change_is_confirmed_or_ended')],
            },
        ),
    ]
