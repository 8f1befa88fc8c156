from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Not here: nobody's password is ever typed by somebody else."

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(
            "Nobody can set the password of another. The member changes it themselves."
        )
