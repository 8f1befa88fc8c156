from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bottomline.batches import BATCH
from bottomline.cleaning import Cleaning, cleanings
from bottomline.errors import DATABASE_AWAY, REDIS_AWAY
from bottomline.progress import Progress

MOST = 10_000


class Command(BaseCommand):
    help = (
        "Remove what is over, kind by kind, and say how many of each. The scheduler does the same "
        "every hour."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")
        parser.add_argument(
            "--batch", type=_batch, default=BATCH, help="how many rows a transaction"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        failed = []
        for cleaning in cleanings():
            try:
                if options["dry_run"]:
                    self.stdout.write(f"{cleaning.kind}: {cleaning.count()} would go")
                else:
                    self.stdout.write(f"{cleaning.kind}: {self._clean(cleaning, options['batch'])}")
            except (*DATABASE_AWAY, *REDIS_AWAY) as error:
                # One that is away holds up no other kind.
                self.stderr.write(f"{cleaning.kind}: not finished ({type(error).__name__}).")
                failed.append(cleaning.kind)
        if failed:
            raise CommandError(f"Run it again for {', '.join(failed)}.")

    def _clean(self, cleaning: Cleaning, batch: int) -> int:
        gone = 0
        total = cleaning.count() if self.stderr.isatty() else 0
        with Progress(self.stderr, cleaning.kind, total) as progress:
            for went in cleaning.clean(batch):
                gone += went
                progress.advance(went)
        return gone


def _batch(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"{text!r} is not between 1 and {MOST}")
    return int(text)
