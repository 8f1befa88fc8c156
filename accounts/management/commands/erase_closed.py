from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from accounts.services import erasure


class Command(BaseCommand):
    help = (
        "Say goodbye to whoever closed their account and did not come back in time, and erase whom "
        "that was said to before. The scheduler does the same every hour."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            told, erased = erasure.awaiting_goodbye().count(), erasure.awaiting_erasure().count()
        else:
            # First those who wait: whoever is told now is erased when that mail has gone out.
            erased, told = erasure.erase_all(), erasure.say_goodbyes()
        would = "would be " if options["dry_run"] else ""
        self.stdout.write(f"{told} {would}told goodbye, {erased} {would}erased.")
