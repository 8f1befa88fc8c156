"""The long random words in links."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Purpose, Token
from bottomline import tokens
from bottomline.tokens import BadToken
from invites.models import Invite

ROW = UUID("6f1c2a7e-90d4-4b53-8a1e-0c2d3f4a5b6c")
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def flipped(raw: bytes, position: int) -> bytes:
    return raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]


@given(st.uuids(), st.text(st.characters(codec="utf-8")))
def test_a_token_names_the_row_it_was_made_for(row: UUID, purpose: str):
    assert tokens.read(purpose, tokens.make(purpose, row)) == row


def test_a_token_is_43_characters_that_need_no_escaping_in_a_link():
    token = tokens.make("invite", ROW)

    assert len(token) == tokens.LENGTH
    assert set(token) <= set(ALPHABET)


def test_the_same_row_has_the_same_link_however_often_it_is_asked_for():
    assert tokens.make("invite", ROW) == tokens.make("invite", ROW)


@pytest.mark.asvs("11.5.1")
def test_a_row_is_named_by_128_bits_none_of_which_is_fixed():
    # An unset bit in all of 64 random names happens once in 2**57 runs.
    ever_set = ever_unset = 0
    for _ in range(64):
        name = tokens.new_public_id().int
        ever_set |= name
        ever_unset |= ~name
    assert ever_set & ever_unset & (2**128 - 1) == 2**128 - 1


def test_a_token_of_one_purpose_is_none_of_another():
    with pytest.raises(BadToken):
        tokens.read("confirm_email", tokens.make("invite", ROW))


def test_a_purpose_cannot_be_stretched_into_another():
    with pytest.raises(BadToken):
        tokens.read("invite", tokens.make("invites", ROW))


@pytest.mark.asvs("11.2.5")
@pytest.mark.parametrize("position", range(32))
def test_a_token_with_any_byte_altered_is_refused(position: int):
    raw = urlsafe_b64decode(tokens.make("invite", ROW) + "=")
    altered = urlsafe_b64encode(flipped(raw, position)).rstrip(b"=").decode()

    with pytest.raises(BadToken):
        tokens.read("invite", altered)


@pytest.mark.parametrize("length", range(tokens.LENGTH))
def test_a_truncated_token_is_refused(length: int):
    with pytest.raises(BadToken):
        tokens.read("invite", tokens.make("invite", ROW)[:length])


def test_of_all_spellings_of_the_last_character_only_ours_is_a_token():
    token = tokens.make("invite", ROW)
    read = []
    for last in ALPHABET:
        try:
            tokens.read("invite", token[:-1] + last)
        except BadToken:
            continue
        read.append(last)
    assert read == [token[-1]]


@pytest.mark.parametrize(
    "respell",
    [
        lambda token: token + "=",
        lambda token: token[:-1] + "=",
        lambda token: " " + token,
        lambda token: token + "\n",
        lambda token: token[:20] + "\n" + token[20:],
        lambda token: token[:20] + "!" + token[21:],
        lambda token: token.replace("-", "+").replace("_", "/") + "+",
        lambda token: token.swapcase(),
        lambda token: token[:-1] + "\N{FULLWIDTH LATIN CAPITAL LETTER A}",
        lambda token: token[:-1] + "\0",
        lambda token: token + token,
    ],
)
def test_another_spelling_of_a_token_is_refused(respell):
    with pytest.raises(BadToken):
        tokens.read("invite", respell(tokens.make("invite", ROW)))


def test_the_alphabet_of_plain_base64_is_refused():
    row = next(  # one whose token has both of the characters in which the alphabets differ
        row
        for row in (tokens.new_public_id() for _ in range(10_000))
        if {"-", "_"} <= set(tokens.make("invite", row))
    )
    with pytest.raises(BadToken):
        tokens.read("invite", tokens.make("invite", row).translate(str.maketrans("-_", "+/")))


def test_a_link_made_under_a_retired_key_is_still_read(settings):
    token = tokens.make("invite", ROW)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new secret key, as long as it should be"

    with pytest.raises(BadToken):
        tokens.read("invite", token)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert tokens.read("invite", token) == ROW
    assert tokens.make("invite", ROW) != token


@given(st.text(max_size=100))
def test_whatever_is_typed_is_at_worst_a_bad_token(text: str):
    with pytest.raises(BadToken):
        tokens.read("invite", text)


@given(st.text(ALPHABET, min_size=tokens.LENGTH, max_size=tokens.LENGTH))
def test_whatever_looks_like_a_token_is_at_worst_a_bad_one(text: str):
    with pytest.raises(BadToken):
        tokens.read("invite", text)


@given(
    st.one_of(
        st.text(letters, min_size=tokens.LENGTH, max_size=tokens.LENGTH)
        for letters in (st.characters(), st.characters(codec="ascii"))
    )
)
def test_whatever_is_as_long_as_a_token_is_at_worst_a_bad_one(text: str):
    with pytest.raises(BadToken):
        tokens.read("invite", text)


@pytest.mark.django_db
def test_a_forged_token_costs_no_query(django_assert_num_queries):
    forged = urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()

    with django_assert_num_queries(0):
        assert Invite.objects.find(forged) is None
        assert Invite.objects.lock(forged) is None
        assert Token.objects.find(forged, Purpose.EMAIL_CONFIRMATION) is None


@pytest.mark.django_db
def test_what_the_database_knows_of_a_link_does_not_open_it(invite: Invite):
    row = Invite.objects.filter(pk=invite.pk).values().get()
    token = tokens.make("invite", invite.public_id)

    assert not any(token[22:] in str(value) for value in row.values())
