"""docs/cryptography.md knows every key and all cryptography: compared with the code."""

import ast
import re
from collections.abc import Iterator
from datetime import timedelta
from pkgutil import resolve_name

import pytest
from django.conf import settings

from accounts import ceremonies
from accounts.models import Purpose, email_change, factor_reset, mailed_login
from accounts.services import devices, history
from bottomline.captcha import challenges
from bottomline.tests.documents import column, in_words, table
from bottomline.tests.test_architecture import ROOT, imports, modules
from invites import models as invites

PAGE = "cryptography.md"
# What makes or checks anything secret; `bottomline.tokens` stands on `bottomline.keys`.
CRYPTOGRAPHY = {
    "argon2",
    "authlib",
    "bottomline.keys",
    "cryptography",
    "django.contrib.auth.hashers",
    "django.core.signing",
    "django.utils.crypto",
    "hashlib",
    "hmac",
    "joserfc",
    "random",
    "secrets",
    "ssl",
    "webauthn",
}


@pytest.mark.asvs("11.1.3")
def test_every_file_that_has_to_do_with_cryptography_is_in_the_table():
    found = {file: used for file, tree in everything() if (used := CRYPTOGRAPHY & named_in(tree))}
    said = {row["file"]: set(re.findall(r"[\w.]+", row["uses"])) for row in table(PAGE, "file")}
    assert said == found


def everything() -> Iterator[tuple[str, ast.Module]]:
    yield from modules()
    for file in sorted((ROOT / "deploy").rglob("*.py")):
        yield str(file.relative_to(ROOT)), ast.parse(file.read_text())


def named_in(tree: ast.Module) -> set[str]:
    """All that the imports of a module name."""
    found = set()
    for node in imports(tree):
        names = {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{name}" for name in names)}
        else:
            found |= names
    return found | {name.partition(".")[0] for name in found}


@pytest.mark.asvs("11.1.2")
def test_every_purpose_of_a_derived_key_is_in_the_table():
    found = {
        purpose_of(node.args[0], file)
        for file, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in {"keys.mac", "keys.macs", "keys.is_mac", "keys.to_seal_with"}
    }
    assert set(column(PAGE, "purpose")) == found


def purpose_of(given: ast.expr, file: str) -> str:
    if isinstance(given, ast.Constant):
        return str(given.value)
    if isinstance(given, ast.JoinedStr):
        assert ast.unparse(given) == "f'token:{purpose}'"
        return "token:"
    return str(resolve_name(f"{file.removesuffix('.py').replace('/', '.')}:{ast.unparse(given)}"))


@pytest.mark.asvs("11.1.2")
def test_every_purpose_of_a_link_and_of_a_signer_is_in_the_table():
    assert set(column(PAGE, "link")) == {
        *Purpose.values,
        email_change.CONFIRM,
        email_change.UNDO,
        factor_reset.CALL_OFF,
        mailed_login.BROWSER,
        mailed_login.LINK,
        invites.PURPOSE,
        invites.DECLINE,
    }
    salts = [
        ast.literal_eval(keyword.value)
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Signer")
        for keyword in node.keywords
        if keyword.arg == "salt"
    ]
    assert column(PAGE, "salt of `Signer`") == salts


@pytest.mark.asvs("11.1.1")
def test_how_long_a_key_is_believed_is_what_the_code_says():
    said = {row["purpose"]: row["believed for"] for row in table(PAGE, "purpose")}
    assert said["captcha"] == in_words(challenges.LIFE)
    assert said["device-cookie"] == in_words(devices.COOKIE_AGE)
    assert said["event-chain"] == in_words(history.KEPT)
    assert said["login-code"] == in_words(mailed_login.GOOD_FOR)
    assert said["passkey-challenge"] == in_words(ceremonies.LASTS)
    assert said["session-cookie"] == in_words(settings.SESSION_REMEMBERED_LIFETIME)
    assert timedelta(days=14) == settings.SESSION_REMEMBERED_LIFETIME


@pytest.mark.asvs("11.1.1")
@pytest.mark.asvs("13.1.4")
def test_every_secret_of_the_environment_says_how_and_when_it_changes():
    rows = table(PAGE, "secret", "is")
    in_files = set(re.findall(r"^  (\w+)_FILE: /run", compose(), re.MULTILINE))
    assert in_files
    # And those that are not made by us, but given to us with a password in them.
    given = {"EMAIL_URL", "GOOGLE_CLIENT_SECRET", "METRICS_TOKEN", "STORAGE_URL"}
    assert {row["secret"] for row in rows} == in_files | given
    for row in (*rows, *table(PAGE, "certificate", "for")):
        assert all(row.values()), row
    for row in table(PAGE, "what", "algorithm"):
        assert row["on the day it falls"], row


def compose() -> str:
    return (ROOT / "docker-compose.yml").read_text()
