"""A column with a constant default, which the database keeps: no rewrite, and old code goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0011_export'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='block_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
    ]
