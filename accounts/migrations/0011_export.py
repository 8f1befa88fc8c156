"""A new table."""

import bottomline.tokens
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0010_check_tombstones"),
    ]

    operations = [
        migrations.CreateModel(
            name='Export',
            fields=[
                ('id', models.UUIDField(default=bottomline.tokens.new_public_id, editable=False, primary_key=True, serialize=False)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('lease', models.UUIDField(null=True)),
                ('lease_until', models.DateTimeField(null=True)),
                ('name', models.CharField(blank=True, max_length=100)),
                ('size', models.PositiveBigIntegerField(null=True)),
                ('ready_at', models.DateTimeField(null=True)),
                ('expires_at', models.DateTimeField(null=True)),
                ('failed_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='exports', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('ready_at', None), models.Q(('expires_at__isnull', False), ('failed_at', None)), _connector='OR'), name='export_ready_expires')],
            },
        ),
    ]
