"""Safe on a large table: a column with a default that the database knows, so nothing is written."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0018_linked_identity'),
    ]

    operations = [
        migrations.AddField(
            model_name='mailedlogin',
            name='language',
            field=models.CharField(choices=[('en', 'English'), ('de', 'Deutsch')], db_default='en', default='en', max_length=5),
        ),
    ]
