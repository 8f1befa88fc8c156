"""What happens here when something happens to an account."""

from django.dispatch import receiver

from accounts.models import User
from accounts.services.export import Part
from accounts.signals import confirmed, erasing, exporting
from invites import emails, leaving
from invites.models import Redemption


@receiver(confirmed)
def tell_inviter(user: User, **_: object) -> None:
    """Only now: before they confirmed, anybody could have typed that address."""
    invited = Redemption.objects.exclude(invite__issuer=None)
    if redemption := invited.filter(user=user).first():
        emails.guest_joined(redemption)


@receiver(erasing)
def forget(user: User, **_: object) -> None:
    leaving.forget(user)


@receiver(exporting)
def export(user: User, **_: object) -> Part:
    return leaving.export(user)
