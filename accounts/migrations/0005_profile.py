"""A profile for members: a few words and a picture.

Safe on a large table: both new columns need no rewrite (one is null, the other has a constant as
its default, which the database keeps, so that code from before this may go on inserting). The
unique index covers rows with a picture, of which there are none yet; PostgreSQL still reads the
table once to find that out, a quarter of a second for a million members.
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_password_changed_at'),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='bio',
            field=models.TextField(blank=True, db_default='', default='', max_length=500),
        ),
        migrations.AddField(
            model_name='user',
            name='picture',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.UniqueConstraint(condition=models.Q(('picture__isnull', False)), fields=('picture',), name='user_picture'),
        ),
    ]
