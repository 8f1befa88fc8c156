"""What people call the browser behind a User-Agent."""

from dataclasses import dataclass
from functools import lru_cache

from ua_parser import parse

FAMILY_LENGTH = 40


@dataclass(frozen=True)
class Browser:
    """“Firefox” on “Android”; what is not known is empty."""

    name: str = ""
    system: str = ""

    def __str__(self) -> str:
        if not self.system:
            return self.name or "An unknown browser"
        return f"{self.name or 'A browser'} on {self.system}"


@lru_cache(maxsize=512)
def browser_of(user_agent: str) -> Browser:
    """The browser that calls itself so. It may lie: this is for the eyes of its owner."""
    found = parse(user_agent)
    name = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    return Browser(_plain(name), system[:FAMILY_LENGTH])


def _plain(name: str) -> str:
    return name.removeprefix("Mobile ").removesuffix(" Mobile")[:FAMILY_LENGTH]
