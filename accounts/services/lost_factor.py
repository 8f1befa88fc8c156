"""Ending the second factor of somebody who has neither the app nor a recovery code.

Whoever knows a password or reads a mailbox can ask for it as well. So it takes three days, in which
every address and every session of the member's says so and can call it off; and staff, who look at
who asks from where (ASVS 6.4.4). `factor_reset` has what calls it off.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.errors import NotApplicable, OwnersOnly, ProofTooOld
from accounts.events import SYSTEM, record
from accounts.models import Event, FactorReset, User
from accounts.models.factor_reset import CALL_OFF, Outcome
from accounts.services import factor_reset, links, passkeys, reauth, second_factor, sessions
from bottomline.browsers import Browser, browser_of
from bottomline.caller import Caller, place_of
from bottomline.limits import spend
from bottomline.sessions import index

log = logging.getLogger("accounts")

LATEST_LOGINS = 10  # that staff compare with
MAY_DECIDE = "accounts.change_factorreset"


# --- asking ---


def request(user: User, note: str, *, caller: Caller) -> FactorReset:
    """Have the second factor ended in three days, for somebody who has just proved the first.

    Where that was asked for before it stays as it was: neither its clock nor its mails begin anew.
    Raises TooManyAttempts; and ProofTooOld where the account has changed since the first factor.
    """
    if reset := factor_reset.find_open(user):
        return reset
    spend((limits.FACTOR_RESET_BY_ACCOUNT, str(user.pk)))
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        if _has_changed(row, since=user):
            raise ProofTooOld
        if reset := factor_reset.find_open(row):
            return reset  # somebody was faster, in the same moment
        reset = FactorReset.objects.create(user=row, note=note)
        factor_reset.announce(row, reset.due_at)
        record("factor_reset.requested", caller=caller, user=row, reset=str(reset.public_id))
        emails.factor_reset_requested(reset)
        emails.factor_reset_waits(reset, _deciders(row))
    return reset


def _has_changed(row: User, *, since: User) -> bool:
    is_same = (row.session_epoch, row.password, row.second_factor_at) == (
        since.session_epoch,
        since.password,
        since.second_factor_at,
    )
    return not is_same or row.second_factor_at is None or row.is_blocked


# --- calling it off by a link ---


def open_link(token: str, *, caller: Caller) -> FactorReset:
    """What a link calls off; looking changes nothing. Raises TokenUnusable, TooManyAttempts."""
    reset = FactorReset.objects.find(token)
    if reset is None:
        links.refuse(CALL_OFF, caller=caller)
    return reset


def call_off_by_link(token: str, *, caller: Caller) -> User:
    """Leave the second factor as it is, by the link in a mail. Raises as `open_link` does.

    It opens nothing, and needs no more than the mail: whoever holds that can only close a door.
    """
    reset = open_link(token, caller=caller)
    if not factor_reset.call_off(reset.user, caller=caller):
        links.refuse(CALL_OFF, caller=caller)
    return reset.user


# --- staff ---


@dataclass(frozen=True)
class Login:
    """Where somebody was, as staff compare it."""

    at: datetime
    browser: Browser
    place: str
    method: str


@dataclass(frozen=True)
class Facts:
    """What staff have to go by."""

    asked_from: Login | None  # None once that is forgotten
    logins: list[Login]  # before it was asked for, the latest first
    is_known_place: bool
    is_known_browser: bool
    sessions: int
    seen_since: datetime | None  # a session of theirs, whose every page has said so
    logins_since: int


def facts_of(reset: FactorReset) -> Facts:
    """From where it was asked for, from where the member came before, and who was in since."""
    own = Event.objects.filter(user_id=reset.user_id)
    asked = own.filter(kind="factor_reset.requested", details__reset=str(reset.public_id)).first()
    completed = own.filter(kind="login.completed")
    before = completed.filter(at__lte=reset.requested_at).order_by("-pk")
    logins = [_login_of(event) for event in before[:LATEST_LOGINS]]
    asked_from = _login_of(asked) if asked and asked.ip else None
    live = index.list_live(reset.user_id)
    seen = max((session.meta.seen for session in live), default=reset.requested_at)
    return Facts(
        asked_from=asked_from,
        logins=logins,
        is_known_place=any(asked_from and one.place == asked_from.place for one in logins),
        is_known_browser=any(asked_from and one.browser == asked_from.browser for one in logins),
        sessions=len(live),
        seen_since=seen if seen > reset.requested_at else None,
        logins_since=completed.filter(at__gt=reset.requested_at).count(),
    )


def _login_of(event: Event) -> Login:
    return Login(
        at=event.at,
        browser=browser_of(event.user_agent),
        place=place_of(event.ip),
        method=event.details.get("method", ""),
    )


def require_may_decide(staff: User, user: User) -> None:
    """Raise NotApplicable where that is not for them to decide."""
    if user == staff:
        raise NotApplicable("That is your own. Somebody else of staff has to look at it.")
    if (user.is_staff or user.is_superuser) and not staff.is_superuser:
        raise OwnersOnly("They are staff: only owners can decide that for them.")


def _deciders(user: User) -> list[User]:
    """Whoever of staff may decide about the member, by the rules that hold when they do."""
    staff = User.objects.standing().filter(is_staff=True)
    return [one for one in staff if one.has_perm(MAY_DECIDE) and _may_decide(one, user)]


def _may_decide(staff: User, user: User) -> bool:
    try:
        require_may_decide(staff, user)
    except NotApplicable:
        return False
    return True


@transaction.atomic
def approve(reset: FactorReset, *, staff: User) -> None:
    """Agree that it takes effect, at once where the three days are over.

    Raises NotApplicable: it is over, was approved before, or is not theirs to decide.
    """
    held = _hold_for(staff, reset)
    if held.approved_at:
        raise NotApplicable("Somebody has approved it already.")
    held.approved_at, held.approved_by = timezone.now(), staff
    held.save(update_fields=["approved_at", "approved_by"])
    record("factor_reset.approved", caller=SYSTEM, user=held.user, reset=str(held.public_id))
    _carry_out(held)


@transaction.atomic
def refuse(reset: FactorReset, *, staff: User) -> None:
    """Leave the second factor as it is, also where it was approved before. Raises as `approve`."""
    held = _hold_for(staff, reset)
    factor_reset.end(held, Outcome.REFUSED)
    emails.factor_reset_over(
        record("factor_reset.refused", caller=SYSTEM, user=held.user, reset=str(held.public_id))
    )


def _hold_for(staff: User, reset: FactorReset) -> FactorReset:
    # Who decides as well, for their row is named in the other: of two who decide about each other
    # at once, each would hold what the other waits for.
    both = User.objects.filter(pk__in=(staff.pk, reset.user_id))
    list(both.select_for_update().order_by("pk").values_list("pk"))
    held = factor_reset.hold(reset)
    if held is None:
        raise NotApplicable("It is over: called off, lapsed, or decided by somebody else.")
    require_may_decide(staff, held.user)
    return held


# --- what happens by itself ---


def sweep() -> None:
    """Carry out what is due, remind of what soon is, and end what nobody approved."""
    for act, rows in (
        (carry_out, FactorReset.objects.ripe()),
        (remind, FactorReset.objects.soon()),
        (lapse, FactorReset.objects.stale()),
    ):
        _each(act, list(rows))


def _each(act: Callable[[FactorReset], bool], resets: list[FactorReset]) -> None:
    for reset in resets:
        try:
            act(reset)
        except Exception:
            # One that cannot be done must not keep the others here; the next run tries again.
            log.exception("factor_reset.failed", extra={"user": str(reset.user_id)})


@transaction.atomic
def carry_out(reset: FactorReset) -> bool:
    """End the second factor, once, where it was approved and has waited; False where not.

    Every session ends, and every browser that was trusted. Not while the member is blocked.
    """
    held = factor_reset.hold(reset)
    return held is not None and _carry_out(held)


def _carry_out(held: FactorReset) -> bool:
    if not held.is_ripe or held.user.is_blocked:
        return False
    factor_reset.end(held, Outcome.DONE)
    _let_go(held.user)
    emails.factor_reset_done(
        record("factor_reset.done", caller=SYSTEM, user=held.user, reset=str(held.public_id))
    )
    return True


@transaction.atomic
def remind(reset: FactorReset) -> bool:
    """Write once more to whoever can call it off, and to staff where none has agreed.

    False where it is over, or was done.
    """
    held = factor_reset.hold(reset)
    if held is None or held.reminded_at:
        return False
    held.reminded_at = timezone.now()
    held.save(update_fields=["reminded_at"])
    emails.factor_reset_soon(held)
    if not held.approved_at:
        emails.factor_reset_waits(held, _deciders(held.user))
    return True


@transaction.atomic
def lapse(reset: FactorReset) -> bool:
    """End what nobody approved in time; they may ask again."""
    held = factor_reset.hold(reset)
    if held is None:
        return False
    factor_reset.end(held, Outcome.LAPSED)
    emails.factor_reset_over(
        record("factor_reset.lapsed", caller=SYSTEM, user=held.user, reset=str(held.public_id))
    )
    return True


def has_factor(user: User) -> bool:
    """Whether there is one that an operator could end."""
    return user.second_factor_at is not None or reauth.wants_passkey(user)


@transaction.atomic
def end_by_operator(user: User) -> bool:
    """End a second factor at once, for whoever runs the site; False where there is none.

    For the only owner, whom nobody of staff could help; and for staff who have lost the passkeys
    that are all they can prove themselves by. The member is told by mail.
    """
    row = User.objects.select_for_update().get(pk=user.pk)
    if not has_factor(row):
        return False
    if reauth.wants_passkey(row):
        passkeys.forget(row, caller=SYSTEM)
    if reset := factor_reset.find_open(row):
        reset.user = row
        factor_reset.end(reset, Outcome.CALLED_OFF)  # it has become pointless
    _let_go(row)
    emails.factor_reset_done(record("second_factor.ended_by_operator", caller=SYSTEM, user=row))
    return True


def _let_go(user: User) -> None:
    second_factor.forget(user)
    sessions.end_all(user)
