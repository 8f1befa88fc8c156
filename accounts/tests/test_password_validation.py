"""What a password must be."""

from contextlib import suppress
from time import process_time

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User

ADA = User(email="ada.lovelace@example.org", username="countess", display_name="Ada Lovelace")


@pytest.mark.asvs("6.2.5")
@pytest.mark.parametrize(
    "password",
    [
        "plum orbit kettle nine sand",
        "83920174650293847561",
        "    spaces     matter  ok",
        "пароль с лошадью и луной",
        "😀🚂🌵🧦🍋🎻🪁🦉🧊🥁🪐🛶🧿🎈🫖",
        "zrqwtvbnmplkjhgx",
        "a" + "9f8e7d6c5b4a" * 10,
    ],
)
def test_any_long_unguessable_password_will_do(password: str):
    validate_password(password, ADA)


@pytest.mark.asvs("6.2.1")
def test_fourteen_characters_are_too_few_and_fifteen_are_enough():
    with pytest.raises(ValidationError, match="at least 15"):
        validate_password("kx7 plum orbi9", ADA)
    validate_password("kx7 plum orbi9t", ADA)


@pytest.mark.asvs("6.2.9")
def test_128_characters_are_taken_and_129_are_too_many():
    words = "plum orbit kettle nine sand " * 5
    validate_password(words[:128], ADA)
    with pytest.raises(ValidationError, match="at most 128"):
        validate_password(words[:129], ADA)


@pytest.mark.asvs("6.2.11")
@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace@example.org",
        "AdaLovelace12345",
        "countess-countess",
        "TheBottomLine2026",
        "b0tt0ml1ne-invite",
        "bottomline-2026-invites",
    ],
)
def test_a_password_about_yourself_or_this_site_is_refused(password: str):
    with pytest.raises(ValidationError, match="nothing to do with you"):
        validate_password(password, ADA)


@pytest.mark.parametrize(
    "password",
    ["aaaaaaaaaaaaaaaaaaaa", "123456789012345678", "passwordpassword", "qwertyuiopasdfghjkl"],
)
def test_a_password_that_is_guessed_first_is_refused(password: str):
    with pytest.raises(ValidationError, match="quickly guessed"):
        validate_password(password, ADA)


@pytest.mark.asvs("1.3.12")
def test_no_password_takes_long_to_judge():
    """zxcvbn needs seconds for what is made of its letters' look-alikes."""
    worst = "4@8({[<369!1|0$5+7%2zZ" * 5
    for password in (worst[:128], worst[:72], "4830261975" * 12, "aA1!" * 32, "a" * 128):
        began = process_time()
        with suppress(ValidationError):
            validate_password(password, ADA)
        assert process_time() - began < 1
