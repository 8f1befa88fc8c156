"""A reset of a second factor that somebody asked for, and calling it off. Asking: `lost_factor`."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts import emails
from accounts.events import record
from accounts.models import FactorReset, User
from accounts.models.factor_reset import Outcome
from accounts.services import snapshots
from bottomline.afterwards import after_commit
from bottomline.caller import Caller


def find_open(user: User) -> FactorReset | None:
    """What is open for the member; there is one at most."""
    return FactorReset.objects.open().filter(user=user).first()


def hold(reset: FactorReset) -> FactorReset | None:
    """The same with its member, held until the transaction ends; None where it is over by now.

    Whoever ends one comes by here, so of two who do so at once the second finds none.
    """
    user = User.objects.select_for_update().filter(pk=reset.user_id).first()
    held = FactorReset.objects.open().filter(pk=reset.pk).first()
    if user is None or held is None:
        return None
    held.user = user
    return held


@transaction.atomic
def call_off(user: User, *, caller: Caller) -> bool:
    """Leave the second factor as it is; False where nobody waits for anything else."""
    found = find_open(user)
    reset = hold(found) if found else None
    if reset is None:
        return False
    end(reset, Outcome.CALLED_OFF)
    user.factor_reset_due_at = None
    emails.factor_reset_over(
        record("factor_reset.called_off", caller=caller, user=user, reset=str(reset.public_id))
    )
    return True


def end(reset: FactorReset, outcome: Outcome) -> None:
    """Note how it ended, with its member held; their pages say nothing of it any more."""
    reset.ended_at, reset.outcome = timezone.now(), outcome
    reset.save(update_fields=["ended_at", "outcome"])
    announce(reset.user, None)


def announce(user: User, due_at: datetime | None) -> None:
    """Have every page of the member's say that their second factor ends then, or that no more."""
    user.factor_reset_due_at = due_at
    user.save(update_fields=["factor_reset_due_at"])
    after_commit(snapshots.refresh, user)
