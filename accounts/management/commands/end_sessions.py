from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from accounts.management.members import add_dry_run, each_member
from accounts.models import User
from accounts.services import sessions
from bottomline.batches import in_batches
from bottomline.progress import Progress
from bottomline.sessions import index


class Command(BaseCommand):
    help = "Log members out everywhere, on their next request. They can log in again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="*")
        parser.add_argument("--all", action="store_true", help="everybody, staff as well")
        add_dry_run(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["email"]) == options["all"]:
            raise CommandError("Name members by their addresses, or say --all.")
        try:
            sessions.require_reachable()
        except (RedisError, OSError):
            raise CommandError("Redis does not answer, so nothing was done. Try again.") from None
        if options["all"]:
            self._end_everybodys(options["dry_run"])
            return
        for user in each_member(options["email"]):
            if not options["dry_run"]:
                sessions.end_by_staff(user)
            will = "would be" if options["dry_run"] else "is"
            self.stdout.write(f"{user.email} {will} logged out everywhere.")

    def _end_everybodys(self, dry_run: bool) -> None:
        users = User.objects.exclude(last_login=None).only("pk")
        were_in = 0
        with Progress(self.stderr, "Logging out", users.count()) as progress:
            for batch in in_batches(users):
                ids = [user.pk for user in batch]
                were_in += len(index.logged_in(ids)) if dry_run else sessions.end_many_by_staff(ids)
                progress.advance(len(batch))
        self.stdout.write(f"{were_in} members {'would be' if dry_run else 'are'} logged out.")
