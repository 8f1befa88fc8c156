"""What a password must be, as Django's validators, so that every door asks the same.

No composition rules and no rotation (NIST 800-63B-4): length, nothing about yourself or this
site, and nothing that a guesser tries first.
"""

import re
from operator import itemgetter
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from zxcvbn import zxcvbn

MAX_LENGTH = 128

# What a guesser knows of anybody here (ASVS 6.1.2).
SITE_WORDS = ("bottomline", "thebottomline", "bottom", "line", "invite", "invited")
SEPARATORS = re.compile(r"[\s!-/:-@\[-`{-~]+")  # ASCII's punctuation; an emoji counts as itself
UNLEET = str.maketrans("013457@$!", "oieastasi")

# zxcvbn tries every way to read these as letters, which takes seconds for a password made of them.
# It is shown the password once without them and once with their letters in their place.
SYMBOLS = re.compile(r"[@({\[<!|$+%]")
ESTIMATED = 40  # its time grows with length; the first characters of a long password say enough
ENOUGH_GUESSES_LOG10 = 8


class LengthValidator:
    def validate(self, password: str, user: Any = None) -> None:
        if len(password) < settings.PASSWORD_MIN_LENGTH:
            raise ValidationError(
                f"Use at least {settings.PASSWORD_MIN_LENGTH} characters. "
                "A few unrelated words make a good password.",
                code="too_short",
            )
        if len(password) > MAX_LENGTH:
            raise ValidationError(f"Use at most {MAX_LENGTH} characters.", code="too_long")

    def get_help_text(self) -> str:
        return f"At least {settings.PASSWORD_MIN_LENGTH} characters. A few unrelated words do well."


class ContextValidator:
    """Refuses a password that is mostly the person's own name or address, or this site's."""

    def validate(self, password: str, user: Any = None) -> None:
        rest = plain = _plain(password)
        for word in sorted(_words_about(user), key=len, reverse=True):
            rest = rest.replace(word, "")
        if rest != plain and len(rest) < 8:
            raise ValidationError(
                "That is mostly your own name or address, or ours. Use words that have nothing to "
                "do with you.",
                code="about_you",
            )

    def get_help_text(self) -> str:
        return "Not your name, your address or the name of this site."


class GuessableValidator:
    def validate(self, password: str, user: Any = None) -> None:
        if not settings.PASSWORD_MIN_LENGTH <= len(password) <= MAX_LENGTH:
            return  # refused already
        start, about = password[:ESTIMATED], list(_words_about(user))
        readings = (SYMBOLS.sub("~", start), start.casefold().translate(UNLEET))
        results = [zxcvbn(reading, user_inputs=about) for reading in readings]
        result = min(results, key=itemgetter("guesses_log10"))
        if result["guesses_log10"] < ENOUGH_GUESSES_LOG10:
            why = result["feedback"]["warning"].rstrip(".") or "It follows a common pattern"
            raise ValidationError(
                f"That password is quickly guessed. {why}. Use a few words that do not belong "
                "together.",
                code="guessable",
            )

    def get_help_text(self) -> str:
        return "Nothing that is quickly guessed."


def _words_about(user: Any) -> set[str]:
    about = [getattr(user, name, "") or "" for name in ("username", "display_name", "email")]
    parts = {part for text in about for part in re.split(r"[^\w]+", text)}
    words = {_plain(word) for word in (*SITE_WORDS, *about, *parts)}
    return {word for word in words if len(word) >= 4}


def _plain(text: str) -> str:
    return SEPARATORS.sub("", text.casefold().translate(UNLEET))
