from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.management.members import add_dry_run, each_member
from accounts.models import User
from accounts.services import members
from bottomline.batches import in_batches
from bottomline.progress import Progress


class Command(BaseCommand):
    help = "Let blocked members in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="*")
        several = parser.add_mutually_exclusive_group()
        several.add_argument(
            "--expired", action="store_true", help="clear the blocks whose time is over"
        )
        several.add_argument("--all", action="store_true", help="everybody who is blocked")
        add_dry_run(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["email"]) == (options["expired"] or options["all"]):
            raise CommandError("Name members by their addresses, or say --expired or --all.")
        if options["email"]:
            self._unblock_named(options["email"], options["dry_run"])
        else:
            self._unblock_many(options["expired"], options["dry_run"])

    def _unblock_named(self, emails: list[str], dry_run: bool) -> None:
        for user in each_member(emails):
            if user.blocked_until is None:
                self.stdout.write(f"{user.email} is not blocked.")
            elif dry_run:
                self.stdout.write(f"{user.email} would be unblocked.")
            elif members.unblock(user):
                self.stdout.write(f"{user.email} is unblocked.")

    def _unblock_many(self, only_expired: bool, dry_run: bool) -> None:
        blocked = User.objects.blocked()
        if only_expired:
            blocked = blocked.filter(blocked_until__lte=timezone.now())
        unblocked = total = blocked.count()
        if not dry_run:
            unblocked = 0
            with Progress(self.stderr, "Unblocking", total) as progress:
                for users in in_batches(blocked.only("blocked_until")):
                    unblocked += sum(map(members.unblock, users))
                    progress.advance(len(users))
        self.stdout.write(f"{unblocked} {'would be ' if dry_run else ''}unblocked.")
