from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from bottomline.batches import in_batches
from bottomline.outbox import services
from bottomline.outbox.models import OutboxMessage
from bottomline.progress import Progress


class Command(BaseCommand):
    help = "How the promised mail is doing, and another life for what is dead."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("status", help="how many there are of which status, and what is late")
        retry = actions.add_parser("retry", help="try dead messages again")
        retry.add_argument("id", nargs="*", type=UUID, help="as the admin shows it")
        retry.add_argument("--all", action="store_true", help="every dead message")
        retry.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "status":
            self._show_status()
        elif bool(options["id"]) == options["all"]:
            raise CommandError("Name messages by their ids, or say --all.")
        elif options["all"]:
            self._retry_all(options["dry_run"])
        else:
            self._retry_some(options["id"], options["dry_run"])

    def _show_status(self) -> None:
        standing = services.standing()
        for status, count in standing.counts.items():
            self.stdout.write(f"{status} {count}")
        late = standing.late
        self.stdout.write(f"late {late.total_seconds():.0f} s" if late else "nothing is late")
        for kind, error, count in standing.dead:
            self.stdout.write(f"dead: {kind} ({error}) {count}")

    def _retry_some(self, ids: list[UUID], dry_run: bool) -> None:
        dead = set(OutboxMessage.objects.dead().filter(pk__in=ids).values_list("pk", flat=True))
        for message_id in dict.fromkeys(ids):
            if message_id in dead and (dry_run or services.retry(message_id)):
                self.stdout.write(f"{message_id} {'would' if dry_run else 'will'} be tried again.")
        if others := [str(each) for each in dict.fromkeys(ids) if each not in dead]:
            raise CommandError(f"Only dead messages can be retried, not {', '.join(others)}.")

    def _retry_all(self, dry_run: bool) -> None:
        dead = OutboxMessage.objects.dead()
        revived = total = dead.count()
        if not dry_run:
            revived = 0
            with Progress(self.stderr, "Reviving", total) as progress:
                for messages in in_batches(dead.only("pk")):
                    revived += services.retry_many([message.pk for message in messages])
                    progress.advance(len(messages))
        self.stdout.write(f"{revived} {'would' if dry_run else 'will'} be tried again.")
