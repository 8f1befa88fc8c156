"""How long things last is said from the constants, on pages and in both languages of our mails."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from accounts.lifetimes import in_words
from conftest import Inbox, Person, Visitor

UNITS = "minutes?|hours?|days?|weeks?|Minuten?|Stunden?|Tage?n?|Wochen?"
NUMBERS = r"\d+|an?|seven|ten|thirty|fourteen|einer?|sieben|zehn|dreißig|vierzehn"
LITERAL = re.compile(rf"\b(?:{NUMBERS}) (?:{UNITS})\b")


@pytest.mark.parametrize(
    ("lifetime", "english", "german"),
    [
        (timedelta(minutes=30), "30 minutes", "30 Minuten"),
        (timedelta(minutes=90), "90 minutes", "90 Minuten"),
        (timedelta(hours=1), "1 hour", "1 Stunde"),
        (timedelta(hours=24), "24 hours", "24 Stunden"),
        (timedelta(days=7), "7 days", "7 Tage"),
    ],
)
def test_a_lifetime_is_said_exactly_in_either_language(lifetime, english: str, german: str):
    assert in_words(lifetime) == english
    with translation.override("de"):
        assert in_words(lifetime) == german


def test_no_text_repeats_a_lifetime():
    """But in the admin, where a number is the width of a table."""
    said = {
        f"{path.name}: {found[0]}"
        for folder in settings.TEMPLATES[0]["DIRS"]
        for path in Path(folder).rglob("*")
        if path.suffix in {".html", ".txt"} and "admin" not in path.parts
        for found in LITERAL.finditer(path.read_text())
    }
    assert said == set()


@pytest.mark.parametrize(("language", "words"), [("en", "30 minutes"), ("de", "30 Minuten lang")])
def test_a_mail_says_it_in_its_language(
    alice: Person, inbox: Inbox, client: Visitor, language: str, words: str
):
    user = alice.user
    user.language = language
    user.save()
    client.post("/password/forgot/", {"email": alice.email})
    mail = inbox.mails_to(alice.email)[-1]
    assert words in mail.body
    assert words in mail.alternatives[0][0]
