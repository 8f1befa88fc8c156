"""Three columns that may be empty: PostgreSQL adds them without rewriting the table.

The constraint is added without looking at the rows there are, which would hold up every login
meanwhile; the next migration looks at them.
"""

from django.db import migrations, models
from django.db.models import Q


class AddUncheckedConstraint(migrations.AddConstraint):
    """A constraint on what is written from now on; SQLite, which knows no such thing, checks all."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor != "postgresql":
            return super().database_forwards(app_label, schema_editor, from_state, to_state)
        model = to_state.apps.get_model(app_label, self.model_name)
        sql = self.constraint.create_sql(model, schema_editor)
        schema_editor.execute(f"{sql} NOT VALID", params=None)


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0008_email_change"),
    ]

    operations = [
        migrations.AddField(
            model_name='user',
            name='closed_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='farewell',
            field=models.UUIDField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='user',
            name='erased_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        AddUncheckedConstraint(
            model_name='user',
            constraint=models.CheckConstraint(
                condition=(Q(erased_at=None) & ~Q(username=""))
                | Q(
                    ~Q(email__contains="@"),
                    erased_at__isnull=False,
                    closed_at__isnull=False,
                    email__startswith="~",
                    username="",
                    username_key__startswith="~",
                    display_name="",
                    bio="",
                    picture=None,
                    password__startswith="!",
                    is_staff=False,
                    is_superuser=False,
                    last_login=None,
                    blocked_until=None,
                ),
                name="user_erased_is_nobody",
            ),
        ),
    ]
