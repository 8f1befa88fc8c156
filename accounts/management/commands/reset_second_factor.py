from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from accounts.management.members import add_dry_run, each_member
from accounts.services import lost_factor, sessions


class Command(BaseCommand):
    help = (
        "End the second factor of members at once, and log them out everywhere. For the only "
        "owner, whom nobody of staff could help: be sure who asks. They are told by mail. Of staff "
        "without an app it is their passkeys that end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", nargs="+")
        add_dry_run(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            sessions.require_reachable()
        except (RedisError, OSError):
            raise CommandError("Redis does not answer, so nothing was done. Try again.") from None
        for user in each_member(options["email"]):
            if not lost_factor.has_factor(user):
                self.stdout.write(f"{user.email} has no second factor.")
            elif options["dry_run"]:
                self.stdout.write(f"{user.email} would have no second factor any more.")
            elif lost_factor.end_by_operator(user):
                self.stdout.write(
                    f"{user.email} has no second factor any more, is logged out everywhere, and "
                    "is told by mail."
                )
