"""What a password must be, as Django's validators, so that every door asks the same.

No composition rules and no rotation (NIST 800-63B-4): length, nothing about yourself or this
site, nothing that everybody thinks of, and nothing that a guesser reaches soon.
"""

import re
from operator import itemgetter
from typing import Any
from unicodedata import combining, normalize

from django.conf import settings
from django.core.exceptions import ValidationError
from zxcvbn import matching, scoring

from accounts.breaches import is_breached
from accounts.common_passwords import PHRASES, is_common, read_as_letters

MAX_LENGTH = 128

# What a guesser knows of anybody here (ASVS 6.1.2).
PRODUCT_WORDS = ("bottomline", "thebottomline", "thebottomlineapp", "bottom", "line")
DOOR_WORDS = ("invite", "invited", "invitation", "member", "membership")
LEFT_OVER = 8  # what is left of a password without those words must be at least this long

# zxcvbn tries every way to read these as letters, which takes seconds for a password made of them.
# It is shown the password without them, and with letters in their place in each likely way.
SIGNS = re.compile(r"[@({\[<!|$+%]")
LETTERS = str.maketrans("0123456789@({[<!|$+%", "oizeasgtbgacccciistx")
OTHER_LETTERS = LETTERS | str.maketrans("17!|", "llll")
ALONE = re.compile(r"[@({\[<!|$+%]|(?<![0-9])[0-9](?=[a-z])")  # not the digits of 12345678
ESTIMATED = 40  # its time grows with length; the first characters of a long password say enough
ENOUGH_GUESSES = 10**10  # from here on zxcvbn gives its best score

# What zxcvbn does not know: famous lines, years to come, the ends of addresses, other keyboards.
YEARS = [str(year) for year in range(2010, 2040)]
HOSTS = ("gmail", "hotmail", "yahoo", "outlook", "icloud", "live", "aol", "gmx", "web", "facebook")
ADDRESSES = [f"{host}.{end}" for end in ("com", "de", "fr", "co.uk") for host in HOSTS]
ADDRESSES += [scheme + www for scheme in ("http://", "https://", "") for www in ("www.", "")][:-1]
ROWS = ["qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "1234567890"]
ROWS += [row[:5] for row in ROWS]
LINES = [*YEARS, *ADDRESSES, *ROWS, *sorted(phrase[:ESTIMATED] for phrase in PHRASES)]
KNOWN = {**matching.RANKED_DICTIONARIES, "lines": matching.build_ranked_dict(LINES)}
# All of zxcvbn's but the one that reads signs as letters, which we have done.
MATCHERS = (
    matching.dictionary_match,
    matching.reverse_dictionary_match,
    matching.spatial_match,
    matching.repeat_match,
    matching.sequence_match,
    matching.regex_match,
    matching.date_match,
)

NAMES, WORDS = "Names are tried early.", "It is made of few and common words."
REASONS = {
    "passwords": "It is made of what guessers try first.",
    "lines": "Much of it is a line, a year or an address that many think of.",
    "user_inputs": "It contains your own name or address, or ours.",
    "english_wikipedia": WORDS,
    "us_tv_and_film": WORDS,
    "surnames": NAMES,
    "male_names": NAMES,
    "female_names": NAMES,
    "regex": "Years are tried early.",
    "date": "Dates are tried early.",
    "spatial": "Rows of keys are tried early.",
    "repeat": "Saying the same thing again adds little.",
    "sequence": "Runs such as abcd or 6543 are tried early.",
    "bruteforce": "It follows a common pattern.",
}


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
        rest = whole = _folded(password)
        words = {_folded(word) for word in _words_about(user)} - {""}
        for word in sorted(words, key=len, reverse=True):
            rest = rest.replace(word, "")
        if rest != whole and len(rest) < LEFT_OVER:
            raise ValidationError(
                "That is mostly your own name or address, or ours. Use words that have nothing to "
                "do with you.",
                code="about_you",
            )

    def get_help_text(self) -> str:
        return "Not your name, your address or the name of this site."


class CommonValidator:
    def validate(self, password: str, user: Any = None) -> None:
        if _has_length(password) and is_common(password):
            raise ValidationError(
                "Many people think of that password, so guessers try it early. Use a few words "
                "that do not belong together.",
                code="common",
            )

    def get_help_text(self) -> str:
        return "Not a common password or a famous line, nor two of them."


class GuessableValidator:
    def validate(self, password: str, user: Any = None) -> None:
        if not _has_length(password):
            return
        known = KNOWN | {"user_inputs": matching.build_ranked_dict(sorted(_words_about(user)))}
        start = password[:ESTIMATED].casefold()
        readings = {
            SIGNS.sub("~", start),
            start.translate(LETTERS),
            start.translate(OTHER_LETTERS),
            ALONE.sub(lambda found: found[0].translate(LETTERS), start),
        }
        easiest = min((_estimate(each, known) for each in readings), key=itemgetter("guesses"))
        if easiest["guesses"] < ENOUGH_GUESSES:
            raise ValidationError(
                f"That password is quickly guessed. {_why(easiest)} Use a few words that do not "
                "belong together.",
                code="guessable",
            )

    def get_help_text(self) -> str:
        return "Nothing that is quickly guessed."


class BreachedValidator:
    """Asks outside, so it is the last to be asked, and never inside a transaction."""

    def validate(self, password: str, user: Any = None) -> None:
        if _has_length(password) and is_breached(password):
            raise ValidationError(
                "That password is in a list of stolen ones, perhaps from another site. Choose one "
                "that you use nowhere else, and change it wherever you did.",
                code="breached",
            )

    def get_help_text(self) -> str:
        return "Not a password that was stolen somewhere."


def _has_length(password: str) -> bool:
    """Whether it is worth judging; if not, it is refused already, and might take for ever."""
    return settings.PASSWORD_MIN_LENGTH <= len(password) <= MAX_LENGTH


def _words_about(user: Any) -> set[str]:
    about = [getattr(user, name, "") or "" for name in ("username", "display_name", "email")]
    ours = [*PRODUCT_WORDS, *DOOR_WORDS, settings.SITE_NAME]
    texts = [*about, *ours, settings.SITE_HOST, settings.MAIL_DOMAIN]
    parts = {part for text in texts for part in re.split(r"[^\w]+|_", text)}
    return {word.casefold() for word in (*texts, *parts) if len(word) >= 4}


def _folded(text: str) -> str:
    """The text as it looks to a careless eye: no case, accents or separators, 1 and l the same."""
    bare = "".join(c for c in normalize("NFKD", text) if not combining(c))
    return read_as_letters(bare).replace("l", "i")


def _estimate(reading: str, known: dict[str, dict[str, int]]) -> dict[str, Any]:
    # Not zxcvbn.zxcvbn(), which keeps the person's own words in a dictionary that all threads
    # share, so they could be held against somebody else.
    matches = [match for find in MATCHERS for match in find(reading, _ranked_dictionaries=known)]
    return scoring.most_guessable_match_sequence(reading, matches)


def _why(result: dict[str, Any]) -> str:
    """In words, what is easy about the longest part of it."""
    longest = max(result["sequence"], key=lambda match: len(match["token"]))
    return REASONS.get(longest.get("dictionary_name") or longest["pattern"], REASONS["bruteforce"])
