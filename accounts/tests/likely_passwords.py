"""What guessers try where a password has fifteen characters or more: the list our rules must catch.

Made the way cracking tools make theirs, from public lists of leaked passwords and the ways people
lengthen one. Always the same, so that a test can walk through it.
"""

from collections.abc import Iterator
from itertools import islice, pairwise, product

from django.contrib.auth.password_validation import CommonPasswordValidator
from zxcvbn.matching import RANKED_DICTIONARIES

from accounts.common_passwords import PHRASES

LEAST = 15
COMMON = list(RANKED_DICTIONARIES["passwords"])  # the most common first
YEARS = [str(year) for year in range(1970, 2031)]
ENDINGS = [
    "1",
    "12",
    "123",
    "1234",
    "12345",
    "123456",
    "!",
    "1!",
    "123!",
    "007",
    "69",
    "2024",
    "2025!",
]
LEET = str.maketrans("aeios", "43105")


def likely_passwords() -> list[str]:
    """Some twenty thousand, each once, none shorter than fifteen characters."""
    everything = (
        *leaked(),
        *famous_lines(),
        *said_again(),
        *side_by_side(),
        *with_endings(),
        *disguised(),
        *walks(),
    )
    return sorted({password for password in everything if len(password) >= LEAST})


def leaked() -> Iterator[str]:
    yield from COMMON
    yield from CommonPasswordValidator().passwords


def famous_lines() -> Iterator[str]:
    for phrase, ending in product(sorted(PHRASES), ("", "1", "123", "!", "2024")):
        yield phrase + ending
        yield phrase.capitalize() + ending


def said_again() -> Iterator[str]:
    """passwordpassword, Dragon-Dragon-Dragon"""
    for word in islice(COMMON, 3000):
        times = -(-LEAST // len(word))
        yield word * max(times, 2)
        yield "-".join([word.capitalize()] * max(times, 2))


def side_by_side() -> Iterator[str]:
    """princess.football"""
    words = [word for word in COMMON[:400] if len(word) >= 6][:120]
    yield from (first + second for first, second in product(words, words) if first != second)
    yield from (f"{first} {second}" for first, second in pairwise(words))


def with_endings() -> Iterator[str]:
    """manchester12345, Sunshine19871987, 2024football2024"""
    for word in COMMON[:5000]:
        if word.isdecimal():
            continue
        for ending in ENDINGS:
            yield word.capitalize() + ending
        year = YEARS[len(word) * 7 % len(YEARS)]
        yield from (f"{word}{year}{year}", f"{year}{word}{year}", f"{word}{year}0101")


def disguised() -> Iterator[str]:
    """P4ssw0rd_p4ssw0rd"""
    for word in filter(str.isalpha, COMMON[:1000]):
        yield "_".join([word.capitalize().translate(LEET)] * max(2, -(-LEAST // (len(word) + 1))))


def walks() -> Iterator[str]:
    """Along the rows of a keyboard, there and back, and counting."""
    numbers = "1234567890"
    for layout in (
        ("qwertyuiop", "asdfghjkl", "zxcvbnm", numbers),
        ("qwertzuiop", "asdfghjkl", "yxcvbnm", numbers),
        ("azertyuiop", "qsdfghjklm", "wxcvbn", numbers),
    ):
        for first, second, third in product(layout, repeat=3):
            yield from (first + second + third, first + second[::-1])
            yield first[:5] + second[:5] + third[:5]
    for start in range(10):
        digits = "".join(str((start + n) % 10) for n in range(40))
        yield from (digits[:length] for length in range(LEAST, 30))
        yield from (digits[length::-1] for length in range(LEAST, 30))
        yield str(start) * 20
