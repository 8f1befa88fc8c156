"""Looks at every row of a constraint that holds already; logins and sign-ups go on meanwhile."""

from django.db import migrations


def validate(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE accounts_user VALIDATE CONSTRAINT user_erased_is_nobody")


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0009_closing"),
    ]

    operations = [
        migrations.RunPython(validate, migrations.RunPython.noop),
    ]
