from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.services import history
from accounts.services.history import Head


class Command(BaseCommand):
    help = (
        "Check that no event of the security history was changed, removed or put in. Prints the "
        "head of the chain: keep it elsewhere and give it as --head another day, and a cut-off end "
        "shows as well."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--head", type=_head, help="a head that was printed earlier")
        parser.add_argument("--after", type=_head, help="look only at what came after this head")

    def handle(self, *args: Any, **options: Any) -> None:
        history.seal()
        count, head, faults = history.verify(options["head"], after=options["after"])
        for fault in faults:
            self.stderr.write(f"{fault.where}: {fault.what}.")
        if faults:
            raise CommandError(f"The history does not hold in {len(faults)} places.")
        self.stderr.write(f"{count} events, all as they were sealed. The head:")
        self.stdout.write(str(head))


def _head(text: str) -> Head:
    position, _, seal = text.partition(":")
    if not position.isdigit() or len(seal) != 64:
        raise ArgumentTypeError("a head looks like 1234:ab12… with 64 digits after the colon")
    return Head(int(position), seal)
