"""What the commands about members share: finding them by address, and asking for them."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from django.core.management.base import CommandError

from accounts.addresses import InvalidAddress, canonical_email
from accounts.models import User


def add_dry_run(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def each_member(emails: Iterable[str]) -> Iterator[User]:
    """The members of these addresses. Raises CommandError after the last if some are nobody's."""
    unknown = []
    for email in dict.fromkeys(emails):
        user = _find(email)
        if user is None:
            unknown.append(email)
        else:
            yield user
    if unknown:
        raise CommandError(f"Nobody has the address {', '.join(unknown)}. Check how it is spelled.")


def moment(text: str) -> datetime:
    """A day or a moment as ISO 8601 has it; where it names no zone it is in UTC."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no time: write 2030-12-31 or 2030-12-31T18:00"
        ) from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _find(email: str) -> User | None:
    try:
        return User.objects.filter(email=canonical_email(email)).first()
    except InvalidAddress:
        return None
