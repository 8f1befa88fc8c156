"""What staff do to members in the admin, beside what they change on a member's own page."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.errors import NotApplicable, OwnersOnly
from accounts.models import User
from accounts.models.user import COME_BACK_WITHIN
from accounts.services import (
    closing,
    email_confirmation,
    members,
    password_reset,
    profile,
    sessions,
)


@dataclass(frozen=True)
class Act:
    """One thing to do, and what to say: on its button, before, after, and where it is pointless.

    `do` returns whether there was anything to do, and raises NotApplicable or TooManyAttempts.
    """

    name: str
    label: str
    means: str
    done: str
    pointless: str
    do: Callable[[User], bool]
    is_dangerous: bool = True  # wants a fresh proof of who does it (ASVS 7.5.3)
    may_be_oneself: bool = True


def _end_sessions(user: User) -> bool:
    sessions.end_by_staff(user)
    return True


ACTS = [
    Act(
        "end_sessions",
        "End all sessions",
        "They are logged out everywhere and can log in again.",
        "All sessions are ended.",
        "",  # there is always something to do: a session that Redis lost may come back
        _end_sessions,
    ),
    Act(
        "unblock",
        "Unblock",
        "They can log in again at once.",
        "No longer blocked.",
        "Not blocked, so there was nothing to lift.",
        members.unblock,
    ),
    Act(
        "remove_pictures",
        "Remove the picture",
        "Their picture is deleted for good. They can choose another.",
        "The picture is removed.",
        "There is no picture to remove.",
        profile.remove_picture_by_staff,
    ),
    Act(
        "resend_confirmation",
        "Send the confirmation mail again",
        "The link goes to their address. It is not shown to anybody here.",
        "The confirmation mail is on its way.",
        "The address is confirmed already, or the account is being deleted.",
        email_confirmation.request_by_staff,
        is_dangerous=False,
    ),
    Act(
        "send_reset",
        "Send a link to choose a new password",
        "The link goes to their address. It is not shown to anybody here, and nothing changes "
        "until it is used.",
        "The link to choose a new password is on its way.",
        "The address is not confirmed yet, so send the confirmation mail instead; or the account "
        "is being deleted.",
        password_reset.request_by_staff,
    ),
    Act(
        "close",
        "Close the account",
        f"They are logged out everywhere and told by mail. For {COME_BACK_WITHIN.days} days they "
        "can come back by logging in; then everything that names them is erased.",
        "The account is closed.",
        "Closed already, or not confirmed: then it goes by itself "
        f"{members.UNCONFIRMED_FOR.days} days after the sign-up.",
        closing.close_by_staff,
        may_be_oneself=False,
    ),
]


def require_may_act(staff: User, user: User) -> None:
    """Raise NotApplicable where that account is not theirs to touch, or nobody's any more."""
    if user.is_erased:
        raise NotApplicable("Erased: there is nobody to do it to.")
    if user.is_superuser and not staff.is_superuser:
        raise OwnersOnly


def perform(act: Act, staff: User, user: User) -> None:
    """Do it to that member. Raises NotApplicable with why not, or TooManyAttempts."""
    require_may_act(staff, user)
    if user == staff and not act.may_be_oneself:
        raise NotApplicable("That is you. Do it on your own account page.")
    if not act.do(user):
        raise NotApplicable(act.pointless)
