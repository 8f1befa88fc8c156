from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Not here: nobody's password is ever typed by somebody else."

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("Issue a staff invite instead: manage.py issue_invite --staff")
