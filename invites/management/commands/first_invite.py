from typing import Any

from django.core.management.base import BaseCommand

from invites.services import first_invite


class Command(BaseCommand):
    help = "While nobody is a member, print the link that makes the first one owner."

    def handle(self, *args: Any, **options: Any) -> None:
        invite = first_invite()
        if invite:
            self.stdout.write(invite.link)
