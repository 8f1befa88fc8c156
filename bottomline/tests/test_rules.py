"""docs/rules.md says what the code does: each of its tables is compared with it."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pkgutil import resolve_name
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import RequestFactory
from django.urls import URLPattern, get_resolver

from accounts.acts import ACTS
from accounts.addresses import EMAIL_LENGTH, USERNAME_MAX
from accounts.forms import EmailField, PasswordField, UsernameField
from accounts.models import User
from accounts.password_validation import MAX_LENGTH
from bottomline.limits import Limit
from bottomline.pictures.squares import MOST_BYTES
from bottomline.tests.documents import code_in, column, in_words, table
from bottomline.tests.test_architecture import modules
from bottomline.tests.test_middleware import MEMBERS, PUBLIC
from conftest import Person
from invites.models import Freeze

PAGE = "rules.md"
OURS = {"accounts", "bottomline", "invites"}


def below(kind: type) -> Iterator[type]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def is_ours(module: str) -> bool:
    return module.partition(".")[0] in OURS and "tests" not in module.split(".")


def loaded() -> list[Any]:
    """Every module of ours, loaded."""
    names = [name.removesuffix(".py").replace("/", ".") for name, _ in modules()]
    skipped = ("bottomline.local", "bottomline.mailbox", "bottomline.pictures.redraw")
    wanted = [name.removesuffix(".__init__") for name in names if name not in skipped]
    return [resolve_name(name) for name in wanted]


# --- fields ---


@pytest.mark.asvs("2.1.1")
def test_every_field_of_every_form_is_in_the_table_with_its_length():
    loaded()
    ours = {one for one in below(forms.BaseForm) if is_ours(one.__module__)}
    found = {
        (form.__name__, name): most(field)
        for form in ours
        for name, field in form.base_fields.items()
    }
    rows = table(PAGE, "form", "field")
    assert {(row["form"], row["field"]): row["at most"] for row in rows} == found
    assert len(rows) == len(found)


def most(field: forms.Field) -> str:
    """The most that a field takes, where it has a bound of its own."""
    match field:
        case EmailField():
            return str(EMAIL_LENGTH)
        case UsernameField():
            return str(USERNAME_MAX)
        case PasswordField():
            return str(MAX_LENGTH) if "data-strength" in field.widget.attrs else ""
        case forms.FileField():
            return str(MOST_BYTES)
        case forms.IntegerField():
            return str(field.max_value)
        case forms.CharField():
            return str(field.max_length or field.widget.attrs.get("maxlength", ""))
    return ""


@pytest.mark.asvs("2.1.1")
def test_every_parameter_that_is_no_field_is_in_the_table():
    read = {"request.GET.get", "request.POST.get", "self.data.get"}
    found = {
        ast.literal_eval(node.args[0])
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in read
    }
    assert set(column(PAGE, "parameter")) == found


@pytest.mark.asvs("2.1.2")
def test_what_holds_a_rule_is_there():
    for row in table(PAGE, "rule", "held by"):
        assert callable(resolve_name(row["held by"])), row


@pytest.mark.asvs("2.1.2")
def test_every_constraint_of_the_database_is_in_the_table():
    found = {
        constraint.name
        for model in apps.get_models()
        if is_ours(model.__module__)
        for constraint in model._meta.constraints
    }
    assert set(column(PAGE, "constraint")) == found


# --- limits ---


@pytest.mark.asvs("2.1.3")
@pytest.mark.asvs("6.1.1")
def test_every_limit_is_in_the_table_with_its_number():
    found = {
        limit.name: (str(limit.count), in_words(limit.period))
        for module in loaded()
        for value in vars(module).values()
        for limit in (value if isinstance(value, tuple) else (value,))
        if isinstance(limit, Limit)
    }
    rows = table(PAGE, "limit", "most")
    assert {row["limit"]: (row["most"], row["in"]) for row in rows} == found


@pytest.mark.asvs("2.1.3")
def test_every_other_number_is_what_the_code_has():
    for row in table(PAGE, "what", "most", "set by"):
        name = row["set by"]
        value = (
            getattr(settings, name.removeprefix("settings."))
            if name.startswith("settings.")
            else resolve_name(name)
        )
        assert row["most"] == in_words(value), row


@pytest.mark.asvs("7.1.1")
def test_how_long_sessions_last_is_what_the_settings_say():
    said = {
        row["session"]: (row["ends if idle for"], row["ends after"])
        for row in table(PAGE, "session", "ends if idle for")
    }
    assert said == {
        "usual": ("60 minutes", "24 hours"),
        "remembered": ("7 days", "14 days"),
        "staff": ("15 minutes", "8 hours"),
    }
    assert timedelta(minutes=60) == settings.SESSION_IDLE
    assert timedelta(hours=24) == settings.SESSION_LIFETIME
    assert timedelta(days=7) == settings.SESSION_REMEMBERED_IDLE
    assert timedelta(days=14) == settings.SESSION_REMEMBERED_LIFETIME
    assert timedelta(minutes=15) == settings.SESSION_STAFF_IDLE
    assert timedelta(hours=8) == settings.SESSION_STAFF_LIFETIME


# --- who may ---


def routes(resolver: Any, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route, entry.callback
        elif not route.startswith("/admin/"):
            yield from routes(entry, route)


@pytest.mark.asvs("8.1.1")
def test_every_address_is_in_the_table_and_members_only_where_it_says_so():
    rows = {row["address"]: row["for"] for row in table(PAGE, "address", "for")}
    found = dict(routes(get_resolver()))
    assert set(rows) == set(found)
    for route, view in found.items():
        is_for_members = getattr(view, "login_required", True)
        assert rows[route].startswith("members") == is_for_members, route
        assert rows[route].startswith(("members", "everybody", "who has the link")), route
    assert len(rows) == len(PUBLIC) + len(MEMBERS)  # which test_middleware.py asks, one by one


@pytest.mark.asvs("8.1.1")
def test_who_has_the_link_is_said_of_the_addresses_that_carry_a_token():
    carrying = {"/invite/", "/confirm_account/"}  # beside their path
    for row in table(PAGE, "address", "for"):
        is_by_token = "<str:token>" in row["address"] or row["address"] in carrying
        assert (row["for"] == "who has the link") == is_by_token, row


@pytest.mark.asvs("8.1.1")
def test_what_each_permission_of_staff_allows_is_in_the_table(olivia: Person, alice: Person):
    """Asked as somebody with every permission: where the table says nobody, not even they."""
    request = RequestFactory().get("/admin/")
    request.user = olivia.user
    rows = {row["rows"]: row for row in table(PAGE, "rows", "see")}
    assert set(rows) == {model._meta.label for model in admin.site._registry}
    for model, site in admin.site._registry.items():
        row = rows[model._meta.label]
        named = set(re.findall(r"\b(?:view|change|add|delete)_\w+", " ".join(row.values())))
        assert named <= permissions_of(model), row
        if not site.has_delete_permission(request):
            assert row["delete"] == "nobody", row
        if not site.has_add_permission(request) and model is not Freeze:  # that has its own page
            assert row["add"] == "nobody", row


def permissions_of(model: Any) -> set[str]:
    found = Permission.objects.filter(
        content_type__app_label=model._meta.app_label, content_type__model=model._meta.model_name
    )
    return set(found.values_list("codename", flat=True))


@pytest.mark.asvs("8.1.1")
def test_every_act_of_staff_is_in_the_table():
    rows = table(PAGE, "act on a member, with `change_user`", "proof")
    said = [tuple(row.values()) for row in rows]
    assert said == [
        (act.name, "fresh" if act.is_dangerous else "", "yes" if act.may_be_oneself else "no")
        for act in ACTS
    ]


@pytest.mark.asvs("8.1.2")
def test_every_field_of_a_person_is_in_the_table_and_staff_write_no_other(olivia, alice):
    rows = {row["field"]: row["written by"] for row in table(PAGE, "field", "read by")}
    assert set(rows) == {field.name for field in User._meta.get_fields() if field.concrete}

    site, request = admin.site._registry[User], RequestFactory().get("/admin/")
    request.user = olivia.user
    written = set(site.get_fields(request, alice.user))
    written -= set(site.get_readonly_fields(request, alice.user))
    assert {name for name, by in rows.items() if by in {"staff", "owners"}} == written
    read = {row["field"]: row["read by"] for row in table(PAGE, "field", "read by")}
    shown = set(site.get_fields(request, alice.user))
    assert all("staff" in read[name] or "members" in read[name] for name in shown)
    assert not any("staff" in by for name, by in read.items() if name not in shown)


@pytest.mark.asvs("8.1.3")
@pytest.mark.asvs("8.1.4")
def test_where_a_decision_is_taken_is_there():
    for row in table(PAGE, "what we look at", "known from"):
        where = code_in(row["known from"]) or [row["known from"]]
        assert callable(resolve_name(where[-1])), row
        assert row["what it changes"], row
