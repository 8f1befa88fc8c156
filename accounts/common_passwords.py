"""Passwords that guessers try first, and how people make fifteen characters of them.

Our own list has famous lines and what fills a keyboard; beside it stand the 30 000 most common
passwords that come with zxcvbn (MIT) and the 20 000 that come with Django (BSD), both from public
leaks. Few of them are as long as we ask for, so what counts is what people do to lengthen one: say
it twice, put another beside it, add a year or a few digits, put separators in. No list holds all of
these; a rule does.
"""

import re
from pathlib import Path

from django.contrib.auth.password_validation import CommonPasswordValidator
from zxcvbn.matching import RANKED_DICTIONARIES

SEPARATORS = re.compile(r"[\s!-/:-@\[-`{-~]+")  # ASCII's punctuation; an emoji counts as itself
LOOK_ALIKES = str.maketrans("013457@$!", "oieastasi")
# A digit between letters is meant as one; in 12345678 none is.
ALONE = re.compile(r"(?<![0-9])[013457@$!](?=[a-z])")
REPEATED = re.compile(r"(.+?)\1+")
# Up to a date on either side: more digits than that may be random.
ENDINGS = re.compile(r"\d{0,8}(.*?)\d{0,8}")
COUNTING = "0123456789" * 13
SHORTEST = 3  # of two passwords put together, so that not every word falls into two


def squashed(text: str) -> str:
    """The text without case and separators."""
    return SEPARATORS.sub("", text.casefold())


def read_as_letters(text: str) -> str:
    """The same with letters for the digits and signs that look like them."""
    return SEPARATORS.sub("", text.casefold().translate(LOOK_ALIKES))


def _read_between_letters(text: str) -> str:
    return SEPARATORS.sub("", ALONE.sub(lambda m: m[0].translate(LOOK_ALIKES), text.casefold()))


def _phrases() -> frozenset[str]:
    lines = Path(__file__).with_name("common_phrases.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(squashed(line) for line in lines if not line.startswith("#")) - {""}


PHRASES = _phrases()
_IN_DJANGO = frozenset(CommonPasswordValidator().passwords)
_IN_ZXCVBN = RANKED_DICTIONARIES["passwords"]
_WITHOUT_SEPARATORS = frozenset(
    squashed(word) for word in (*_IN_DJANGO, *_IN_ZXCVBN) if SEPARATORS.search(word)
)


def is_common(password: str) -> bool:
    """Whether all of it is one or two passwords or phrases that everybody thinks of.

    Whatever the case and the separators, said once or again and again, with look-alikes for
    letters, and with up to eight digits before and after.
    """
    readings = {squashed(password), read_as_letters(password), _read_between_letters(password)}
    return any(_is_made_of_common(reading) for reading in readings)


def _is_made_of_common(reading: str) -> bool:
    once = _said_once(reading)
    if _is_known(once):
        return True
    if once.isdecimal():
        # In many random digits there is always some known number.
        return once in COUNTING or once in COUNTING[::-1]
    found = ENDINGS.fullmatch(once)
    core = _said_once(found[1]) if found else ""
    return any(_is_one_or_two(each) for each in {once, core})


def _is_one_or_two(text: str) -> bool:
    cuts = range(SHORTEST, len(text) - SHORTEST + 1)
    return (len(text) >= SHORTEST and _is_known(text)) or any(
        _is_known(text[:cut]) and _is_known(text[cut:]) for cut in cuts
    )


def _is_known(text: str) -> bool:
    known = (PHRASES, _IN_ZXCVBN, _IN_DJANGO, _WITHOUT_SEPARATORS)
    return any(text in each for each in known)


def _said_once(text: str) -> str:
    repeated = REPEATED.fullmatch(text)
    return repeated[1] if repeated else text
