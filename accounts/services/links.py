"""Opening a mailed link: the same for every purpose."""

from typing import NoReturn

from accounts import limits
from accounts.errors import TokenUnusable
from accounts.events import log_only
from accounts.models import Purpose, Token
from bottomline.caller import Caller
from bottomline.limits import spend


def open_link(token: str, purpose: Purpose, *, caller: Caller) -> Token:
    """The usable token a link carries, without spending it.

    Raises TokenUnusable, and TooManyAttempts where one network tries too many that are not.
    """
    found = Token.objects.find(token, purpose)
    if found is None:
        refuse(purpose, caller=caller)
    return found


def refuse(purpose: str, *, caller: Caller) -> NoReturn:
    """Say no to a link, and count it: nobody is to try many."""
    log_only(f"{purpose}.refused", caller=caller, reason=TokenUnusable.reason)
    spend((limits.BAD_TOKEN_BY_NETWORK, caller.network))
    raise TokenUnusable
