"""Safe on a large table: a column that may be empty, and a new table."""

import bottomline.tokens
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0015_second_factor'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='factor_reset_due_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name='FactorReset',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.UUIDField(default=bottomline.tokens.new_public_id, editable=False, unique=True)),
                ('requested_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('note', models.TextField(blank=True)),
                ('reminded_at', models.DateTimeField(null=True)),
                ('approved_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('outcome', models.CharField(blank=True, choices=[('done', 'Done'), ('refused', 'Refused'), ('called off', 'Called Off'), ('lapsed', 'Lapsed')], max_length=10)),
                ('approved_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='factor_resets', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'reset of a second factor',
                'verbose_name_plural': 'resets of second factors',
                'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('user',), name='factor_reset_one_at_a_time'), models.CheckConstraint(condition=models.Q(models.Q(('ended_at', None), ('outcome', '')), models.Q(('ended_at__isnull', False), models.Q(('outcome', ''), _negated=True)), _connector='OR'), name='factor_reset_ends_somehow'), models.CheckConstraint(condition=models.Q(models.Q(('outcome', 'done'), _negated=True), ('approved_at__isnull', False), _connector='OR'), name='factor_reset_done_is_approved')],
            },
        ),
    ]
