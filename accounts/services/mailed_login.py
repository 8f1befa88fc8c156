"""Logging in by mail: a link and a code, in the browser that asked for them.

The mailbox proves who it is, as it does for a forgotten password. Both halves are needed: who has
the mail lacks the browser, and who has the browser lacks the mail (ASVS 6.6.2).
"""

from functools import partial
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from accounts import emails, limits
from accounts.addresses import canonical_email
from accounts.errors import BadCode, BadCredentials, OtherBrowser, TokenUnusable
from accounts.events import log_only, record
from accounts.models import MailedLogin, User
from accounts.models.mailed_login import BROWSER, GOOD_FOR, LINK
from accounts.services import devices, links
from accounts.services.proved import Proved
from bottomline.caller import Caller
from bottomline.limits import Limit, spend, spend_quietly
from bottomline.tokens import new_public_id


def request(
    email: str, *, language: str, caller: Caller, invite: UUID | None = None, browser: str = ""
) -> str:
    """Mail a link and a code, if the address may log in by them, or sign up on that invite.

    In the member's language, and to whoever is no member yet in the one given. Who asks again in
    the `browser` in which they asked on an invite still does so on that. What was mailed to the
    address before no longer works. Returns what the browser is to keep; nothing where the address
    has had enough mails, of which nothing is said either.

    Raises InvalidAddress, and TooManyAttempts for too many from one network.
    """
    email = canonical_email(email)
    spend((limits.LOGIN_MAIL_BY_NETWORK, caller.network))
    if not spend_quietly(
        *_uses(limits.LOGIN_MAIL_BY_ACCOUNT, limits.LOGIN_MAIL_BY_DEVICE, email, caller)
    ):
        return ""
    before = MailedLogin.objects.find(browser, BROWSER)
    if before is not None and before.sent_to == email:
        invite = invite or before.invite
    now = timezone.now()
    user_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
    with transaction.atomic():
        # The worker sees whether there is anybody; here every address costs the same.
        asked, _ = MailedLogin.objects.update_or_create(
            sent_to=email,
            defaults={
                "public_id": new_public_id(),
                "invite": invite,
                "language": language,
                "requested_at": now,
                "expires_at": now + GOOD_FOR,
                "guesses": 0,
                "used_at": None,
            },
        )
        emails.mailed_login(asked)
        record("login_mail.requested", caller=caller, user=user_id)
    return asked.browser_token


def open_link(token: str, browser: str, *, caller: Caller) -> MailedLogin:
    """What a link is good for; opening spends nothing.

    Raises TokenUnusable, TooManyAttempts; and OtherBrowser where it is good elsewhere.
    """
    asked = MailedLogin.objects.find(token, LINK)
    if asked is None or asked.used_at:
        links.refuse(LINK, caller=caller)
    if MailedLogin.objects.find(browser, BROWSER) != asked:
        log_only(f"{LINK}.refused", caller=caller, reason=OtherBrowser.reason)
        raise OtherBrowser
    return asked


def use_link(token: str, browser: str, *, caller: Caller) -> MailedLogin:
    """Take the link as proof of the mailbox, once. Raises as `open_link` does."""
    asked = open_link(token, browser, caller=caller)
    if not asked.consume():
        links.refuse(LINK, caller=caller)
    return asked


def use_code(code: str, browser: str, *, caller: Caller) -> MailedLogin:
    """Take the code as proof of the mailbox, once. Raises BadCode, TooManyAttempts.

    Right guesses count as well as wrong ones, and those at addresses without an account.
    """
    asked = _asked_in(browser, caller)
    if not _guess(asked, code, caller):
        user_id = User.objects.filter(email=asked.sent_to).values_list("pk", flat=True).first()
        record("login.refused", caller=caller, user=user_id, reason=BadCode.reason)
        raise BadCode
    return asked


def prove_again(user: User, code: str, browser: str, *, caller: Caller) -> None:
    """Take a code that was mailed to the member, once. Raises BadCode, TooManyAttempts."""
    asked = _asked_in(browser, caller)
    if asked.sent_to != user.email or not _guess(asked, code, caller):
        raise BadCode


def owner_of(asked: MailedLogin) -> User | None:
    """Whose account it opens, now that the mailbox is proved; None for who is still to sign up.

    Raises BadCredentials where it opens none: nobody has it, or by now somebody who may not.
    """
    user = User.objects.filter(email=asked.sent_to).first()
    if user is not None and user.is_confirmed and not user.is_staff:
        return user
    if asked.invite and (user is None or not user.is_confirmed):
        return None
    raise BadCredentials


def find_newcomer(browser: str) -> Proved | None:
    """Who has proved a mailbox in this browser, has an invite and is still to sign up."""
    asked = MailedLogin.objects.find(browser, BROWSER)
    if asked is None or asked.used_at is None or asked.invite is None:
        return None
    return Proved(asked.sent_to, asked.invite, "link", partial(_spend, asked))


def _spend(asked: MailedLogin, user: User) -> None:
    if not MailedLogin.objects.filter(public_id=asked.public_id).delete()[0]:
        raise TokenUnusable


def _asked_in(browser: str, caller: Caller) -> MailedLogin:
    asked = MailedLogin.objects.find(browser, BROWSER)
    if asked is None:
        log_only("login_code.refused", caller=caller, reason=BadCode.reason)
        raise BadCode
    return asked


def _guess(asked: MailedLogin, code: str, caller: Caller) -> bool:
    spend(*_uses(limits.CODE_BY_ACCOUNT, limits.CODE_BY_DEVICE, asked.sent_to, caller))
    return asked.guess(code)


def _uses(
    by_account: tuple[Limit, ...], by_device: tuple[Limit, ...], email: str, caller: Caller
) -> list[tuple[Limit, str]]:
    """What counts: the browser where it is known to the account, so that no stranger uses it up."""
    device = devices.find_known(caller.device_cookie, email)
    if device:
        return [(limit, device) for limit in by_device]
    return [(limit, email) for limit in by_account]
