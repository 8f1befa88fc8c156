from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.addresses import InvalidAddress, canonical_email
from invites.models import LIFETIME, MOST_USES, NOTE_LENGTH
from invites.services import issue


class Command(BaseCommand):
    help = "Issue an invite and print its link, alone, on standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", default="", help="only this address may use it")
        parser.add_argument("--uses", type=int, default=1, help="how many people may use it")
        parser.add_argument("--days", type=int, default=LIFETIME.days, help="good for so long")
        parser.add_argument("--staff", action="store_true", help="whoever uses it becomes staff")
        parser.add_argument("--note", default="", help="shown to the person invited")

    def handle(self, *args: Any, **options: Any) -> None:
        invite = issue(
            email=_address(options["email"]),
            note=_short(options["note"]),
            uses=_between("--uses", options["uses"], 1 if options["email"] else MOST_USES),
            lifetime=timedelta(days=_between("--days", options["days"], 3650)),
            staff=options["staff"],
        )
        self.stdout.write(invite.link)


def _address(raw: str) -> str:
    try:
        return canonical_email(raw) if raw else ""
    except InvalidAddress:
        raise CommandError(f"--email {raw!r} is not an address we can write to.") from None


def _short(note: str) -> str:
    if len(note) > NOTE_LENGTH:
        raise CommandError(f"--note may have {NOTE_LENGTH} characters; that has {len(note)}.")
    return note


def _between(name: str, number: int, most: int) -> int:
    if not 1 <= number <= most:
        raise CommandError(f"{name} must be between 1 and {most}.")
    return number
