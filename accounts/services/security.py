"""What a member could do for the safety of the account, and what is done."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts import ways_in
from accounts.models import Event, User
from accounts.ways_in import OwnWay
from bottomline.sessions import index

LATELY = timedelta(days=7)


@dataclass(frozen=True)
class Check:
    """One line of the list: whether all is well, what that means, and where to change it."""

    is_well: bool
    text: str
    page: str
    label: str


@dataclass(frozen=True)
class Overview:
    ways: list[OwnWay]
    checks: list[Check]


def overview(user: User) -> Overview:
    """Every way in, and what to look at: five queries at most, two round trips for the sessions."""
    user.refresh_from_db(fields=["password", "second_factor_at"])  # at once: no session has them
    ways = ways_in.list_own(user)
    checks = [_spare_way(ways), _second_factor(user), _failures(user), _sessions(user)]
    return Overview(ways, checks)


def _spare_way(ways: list[OwnWay]) -> Check:
    if any(own.is_only for own in ways):
        text = "You have one way in only. With a second you are not locked out when it fails."
        other = next((own.way for own in ways if own.way.adding and not own.is_there), None)
        return Check(False, text, other.page if other else "", other.adding if other else "")
    return Check(True, "You have more than one way in.", "", "")


def _second_factor(user: User) -> Check:
    if user.second_factor_at:
        return Check(True, "A second factor is asked for.", "", "")
    if user.is_staff:
        text = "Staff need a second factor: the admin stays shut until you have one."
    else:
        text = "No second factor is asked for: one password, or one mail, opens everything."
    return Check(False, text, "/account/security/factor/", "Set one up")


def _failures(user: User) -> Check:
    since = timezone.now() - LATELY
    failed = Event.objects.filter(user_id=user.pk, kind="login.refused", at__gt=since).count()
    if failed:
        times = "Once" if failed == 1 else f"{failed} times"
        text = f"{times} in the last seven days a login to your account was refused. Was it you?"
        return Check(False, text, "/account/activity/?only=logins", "Look at them")
    return Check(True, "Nobody has failed to log in to your account for seven days.", "", "")


def _sessions(user: User) -> Check:
    others = len(index.list_live(user.pk)) - 1
    if others > 0:
        where = "one other place" if others == 1 else f"{others} other places"
        text = f"You are logged in in {where}. End what you do not use or do not know."
        return Check(False, text, "/account/sessions/", "Look at them")
    return Check(True, "You are logged in here alone.", "", "")
