from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.errors import BadBlock
from accounts.management.members import add_dry_run, each_member, moment
from accounts.services import members


class Command(BaseCommand):
    help = (
        "Keep members out until then, from their next request on. The reason is in the copy that "
        "they can have of their data."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="+")
        parser.add_argument(
            "--until", type=moment, required=True, help="a day or a moment, in UTC: 2030-12-31"
        )
        parser.add_argument("--reason", required=True, help="why, for staff who look at it later")
        add_dry_run(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        until, reason = options["until"], options["reason"]
        try:
            members.require_sound_block(until, reason)
        except BadBlock as refusal:
            raise CommandError(refusal.message) from None
        will = "would be" if options["dry_run"] else "is"
        end = timezone.localtime(until).strftime("%Y-%m-%d %H:%M %Z")
        for user in each_member(options["email"]):
            if options["dry_run"] or members.block(user, until=until, reason=reason):
                self.stdout.write(f"{user.email} {will} blocked until {end}.")
