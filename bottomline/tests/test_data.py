"""docs/data.md says what is kept, protected, deleted and logged: compared with the code."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from itertools import chain
from pkgutil import resolve_name

import pytest
from django.apps import apps
from django.conf import settings

from accounts.models import Purpose, User, email_change, factor_reset, mailed_login
from accounts.sentences import SENTENCES
from accounts.services import history
from bottomline.cleaning import cleanings
from bottomline.sessions.record import Meta
from bottomline.tests.documents import DOCS, column, in_words, table
from bottomline.tests.test_architecture import modules

PAGE = "data.md"
KINDS = ("secret", "personal", "internal")
# Of Django's own tables these hold nothing that people or staff do.
ABOUT_NOBODY = {"auth.Permission", "contenttypes.ContentType"}


@pytest.mark.asvs("14.1.1")
def test_every_field_of_every_table_has_its_kind():
    rows = {row["rows"]: row for row in table(PAGE, "rows", *KINDS)}
    models = {model._meta.label: model for model in apps.get_models()}
    assert set(rows) == set(models) - ABOUT_NOBODY
    for label, row in rows.items():
        said = [name for kind in KINDS for name in re.findall(r"\w+", row[kind])]
        found = {field.name for field in models[label]._meta.get_fields() if field.concrete}
        assert sorted(said) == sorted(found), label
        assert row["goes"], label


@pytest.mark.asvs("14.1.1")
def test_everything_in_a_session_and_every_cookie_has_its_kind():
    found = {field.name for field in dataclasses.fields(Meta)} | set(User.SNAPSHOT_FIELDS)
    assert set(column(PAGE, "in a session")) == found

    messages = resolve_name(settings.MESSAGE_STORAGE)
    assert set(column(PAGE, "cookie")) == {
        settings.SESSION_COOKIE_NAME,
        settings.CSRF_COOKIE_NAME,
        settings.DEVICE_COOKIE_NAME,
        settings.GOOGLE_COOKIE_NAME,
        settings.HALF_LOGIN_COOKIE_NAME,
        settings.MAILED_LOGIN_COOKIE_NAME,
        settings.WAY_IN_COOKIE_NAME,
        messages.cookie_name,
    }
    for row in chain(table(PAGE, "in a session"), table(PAGE, "cookie"), table(PAGE, "where")):
        assert row["kind"] in KINDS


@pytest.mark.asvs("14.1.2")
@pytest.mark.asvs("14.2.4")
def test_what_is_done_for_each_kind_is_proved_by_a_test():
    tests = {
        node.name
        for path in DOCS.parent.glob("*/tests/test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    rows = table(PAGE, "kind", "what is done")
    assert {row["kind"] for row in rows} == set(KINDS)
    assert [row["proved by"] for row in rows if row["proved by"] not in tests] == []


@pytest.mark.asvs("14.2.7")
def test_all_that_is_cleaned_away_is_in_the_table_with_its_time():
    rows = table(PAGE, "what", "after")
    assert {row["what"] for row in rows} == {one.kind for one in cleanings()}
    for row in rows:
        if row["set by"]:
            assert row["after"] == in_words(resolve_name(row["set by"])), row
        else:
            assert row["after"] == "their own time"


# --- logs ---


@pytest.mark.asvs("16.1.1")
def test_every_event_is_in_the_table():
    said = {row["event"]: row["in"] for row in table(PAGE, "event", "in")}
    in_history, in_log = set(events("record")), set(events("log_only", "refusals.note", "log"))
    assert set(said) == in_history | in_log
    # What is in the history is a line in the log as well.
    assert {name for name, where in said.items() if where == "history"} == in_history
    for row in table(PAGE, "event", "in"):
        if row["event"] in SENTENCES:
            assert f"{row['says']}." == SENTENCES[row["event"]].text, "as members read it"


@pytest.mark.asvs("16.1.1")
def test_every_log_says_where_it_is_who_reads_it_and_for_how_long():
    for row in table(PAGE, "log", "of"):
        assert all(row.values()), row


def events(*calls: str) -> Iterator[str]:
    """The names given to these calls, as they are when it runs."""
    for module, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            called = "log" if re.fullmatch(r"log\.(info|warning|error|exception)", name) else name
            if called in calls:
                given = node.args[1 if called == "refusals.note" else 0]
                yield from names_of(ast.unparse(given), module)


def names_of(given: str, module: str) -> list[str]:
    """What an expression for an event's name may be. A new way to say it has to be added here."""
    purposes = (
        *Purpose.values,
        email_change.CONFIRM,
        email_change.UNDO,
        factor_reset.CALL_OFF,
        mailed_login.LINK,
    )
    other = {
        "event": [],  # handed on: its own callers are looked at
        "PRUNED": [history.PRUNED],
        "f'{purpose}.refused'": [f"{purpose}.refused" for purpose in purposes],
        "f'{LINK}.refused'": [f"{mailed_login.LINK}.refused"],
        "f'mail.{outcome}'": ["mail.sent", "mail.postponed", "mail.dead"],
    }
    return other[given] if given in other else [ast.literal_eval(given)]
