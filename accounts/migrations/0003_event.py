"""A new table; of tokens only what Django knows about a column changes, not the column."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_language_and_time_zone'),
    ]

    operations = [
        migrations.AlterField(
            model_name='token',
            name='purpose',
            field=models.CharField(max_length=20),
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=60)),
                ('at', models.DateTimeField(default=django.utils.timezone.now)),
                ('user_id', models.UUIDField(null=True)),
                ('details', models.JSONField(default=dict)),
                ('ip', models.CharField(blank=True, max_length=45)),
                ('user_agent', models.CharField(blank=True, max_length=256)),
                ('salt', models.BinaryField(max_length=16, null=True)),
                ('origin', models.CharField(max_length=64)),
                ('mac', models.CharField(max_length=64, unique=True)),
                ('position', models.PositiveBigIntegerField(null=True, unique=True)),
                ('previous', models.CharField(blank=True, max_length=64)),
                ('seal', models.CharField(blank=True, max_length=64)),
            ],
            options={
                'indexes': [models.Index(fields=['user_id', '-id'], name='event_by_user'), models.Index(fields=['at'], name='event_by_age'), models.Index(condition=models.Q(('position', None)), fields=['id'], name='event_unsealed')],
            },
        ),
    ]
