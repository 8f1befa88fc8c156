"""Two columns with constant defaults: PostgreSQL adds them without rewriting the table."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='language',
            field=models.CharField(choices=[('en', 'English'), ('de', 'Deutsch')], db_default='en', default='en', max_length=5),
        ),
        migrations.AddField(
            model_name='user',
            name='time_zone',
            field=models.CharField(db_default='UTC', default='UTC', max_length=40),
        ),
    ]
