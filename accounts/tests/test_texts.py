"""What people write about themselves, cleaned."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.texts import TURNING, UnwelcomeText, one_line, several_lines


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Ada\tLovelace", "Ada Lovelace"),
        ("Ada\u00a0Lovelace", "Ada Lovelace"),
        ("Jose\u0301", "José"),
        ("عادة", "عادة"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("7", "7"),
    ],
)
def test_a_name_is_kept_as_it_is_written(raw: str, kept: str):
    assert one_line(raw) == kept


@pytest.mark.asvs("1.3.3")
@pytest.mark.parametrize(
    "raw",
    [
        "Ada\u202eevil",
        "\u2066Ada",
        "Ada\nLovelace",
        "Ada\x07",
        "Ada\x00",
        "Ada\x85b",
        "Ada\u2028b",
        "Ada\ue000",
        "Ada\ud800",
    ],
)
def test_a_name_holds_nothing_that_turns_writing_around_or_is_no_character(raw: str):
    with pytest.raises(UnwelcomeText):
        one_line(raw)
    with pytest.raises(UnwelcomeText):
        several_lines(raw.replace("\n", "\x0b"))


@pytest.mark.asvs("1.3.3")
@pytest.mark.parametrize(
    "raw", ["", " ", "\u200b\u200b", "\u200d", "\u3164", "\u2800", "\u0301", "\ufeff", "\u00ad"]
)
def test_a_name_can_be_seen(raw: str):
    with pytest.raises(UnwelcomeText):
        one_line(raw)


def test_a_text_keeps_its_lines():
    assert several_lines("\n\none  \r\ntwo\rthree\n\n\n\nfour\n") == "one\ntwo\nthree\n\nfour"
    assert several_lines(" \n ") == ""


@given(st.text())
def test_what_is_kept_stays_as_it_is(raw: str):
    for clean in (one_line, several_lines):
        try:
            kept = clean(raw)
        except UnwelcomeText:
            continue
        assert clean(kept) == kept
        assert not TURNING & set(kept)
        assert not {unicodedata.category(c) for c in kept.replace("\n", "")} & {"Cc", "Cs", "Zl"}
