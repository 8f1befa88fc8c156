"""A new table, empty: nobody waits for it or for its index."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('invites', '0002_declining_and_mailing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Freeze',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=200)),
                ('frozen_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('thawed_at', models.DateTimeField(null=True)),
                ('frozen_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('root', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='freezes', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'constraints': [models.UniqueConstraint(condition=models.Q(('thawed_at', None)), fields=('root',), name='one_freeze_at_a_time')],
            },
        ),
    ]
