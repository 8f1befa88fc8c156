"""What people write about themselves, in the one form that is stored."""

import re
import unicodedata

# Letters that turn the writing around, and with it whatever stands beside it on a page. The marks
# for one direction (LRM, RLM, ALM) are no such thing, and languages need them.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Controls, halves of characters, what is no character (yet), and what ends a line for some
# programs and not for others.
UNWELCOME = {"Cc", "Cn", "Cs", "Co", "Zl", "Zp"}
INVISIBLE = {"Cf", "Mn", "Me", "Zs"} | UNWELCOME
# Letters by category, empty to the eye.
BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")


class UnwelcomeText(ValueError):
    """Holds characters that are not for reading; the text says so."""


def one_line(raw: str) -> str:
    """A name as it is shown: composed, spaces single. Raises UnwelcomeText."""
    text = _composed(raw)
    _require_welcome(text)
    if not any(_is_seen(character) for character in text):
        raise UnwelcomeText("Nobody could see that. Use at least one letter or digit.")
    return " ".join(text.split())


def several_lines(raw: str) -> str:
    """A text as it is shown: composed, lines kept, never two empty. Raises UnwelcomeText."""
    text = _composed(raw.replace("\r\n", "\n").replace("\r", "\n"))
    _require_welcome(text.replace("\n", ""))
    lines = (line.rstrip() for line in text.split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _composed(raw: str) -> str:
    return unicodedata.normalize("NFC", raw.replace("\t", " "))


def _require_welcome(text: str) -> None:
    for character in text:
        if character in TURNING or unicodedata.category(character) in UNWELCOME:
            raise UnwelcomeText(
                "There is an invisible character in that text. Type it, instead of pasting it."
            )


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) not in INVISIBLE and character not in BLANK_LETTERS
