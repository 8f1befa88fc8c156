"""What a member may have us say to somebody who does not know us."""

import re
import unicodedata

# What mail programs make a link of: a scheme, "www.", and two words with nothing but a dot between
# them, of which the second could be a top-level domain.
SITE = re.compile(r"://|\bwww\.|[\w-]\.[^\W\d_]{2,}", re.IGNORECASE)
# Joiners and selectors of variants, which are marks by category and leave none.
BLANK = frozenset("\u034f\u180b\u180c\u180d") | {chr(code) for code in range(0xFE00, 0xFE10)}
DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def names_a_site(text: str) -> bool:
    """Whether a text has an address of a site or of a mailbox in it, or what looks like one.

    Full-width and ideographic dots count: browsers take them for dots. What nobody sees does not:
    it parts the letters for us, and neither for an eye nor for many a program.
    """
    seen = "".join(each for each in text if not _is_unseen(each))
    return bool(SITE.search(unicodedata.normalize("NFKC", seen).replace("\u3002", ".")))


def for_a_stranger(text: str) -> str:
    """A text as one line that cannot look like ours; empty if it would lead them elsewhere."""
    return "" if names_a_site(text) else " ".join(DIRECTIONS.sub("", text).split())


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf" or character in BLANK
