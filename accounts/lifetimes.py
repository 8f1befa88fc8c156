"""How long links and promises last, as texts say it: from the constants themselves."""

from datetime import timedelta

from django.conf import settings
from django.utils.timesince import TIME_STRINGS

from accounts.models.email_change import CONFIRM_WITHIN, UNDO_WITHIN
from accounts.models.export import DOWNLOAD_WITHIN, ONE_EVERY
from accounts.models.factor_reset import APPROVE_WITHIN, WAIT
from accounts.models.mailed_login import GOOD_FOR
from accounts.models.second_factor import SET_UP_WITHIN, TRUSTED_FOR
from accounts.models.token import LIFETIMES as LINKS
from accounts.models.user import COME_BACK_WITHIN
from accounts.services.google import GOOD_FOR as GOOGLE_GOOD_FOR
from accounts.services.half_login import LASTS
from accounts.services.members import UNCONFIRMED_FOR
from accounts.services.reauth import FRESH_FOR
from accounts.services.usernames import PAUSE

LIFETIMES = {
    **{str(purpose): lifetime for purpose, lifetime in LINKS.items()},
    "coming_back": COME_BACK_WITHIN,
    "email_change": CONFIRM_WITHIN,
    "email_undo": UNDO_WITHIN,
    "export": DOWNLOAD_WITHIN,
    "export_again": ONE_EVERY,
    "factor_reset": WAIT,
    "factor_reset_approval": APPROVE_WITHIN,
    "google": GOOGLE_GOOD_FOR,
    "half_login": LASTS,
    "mailed_login": GOOD_FOR,
    "proof": FRESH_FOR,
    "second_factor": SET_UP_WITHIN,
    "staff_idle": settings.SESSION_STAFF_IDLE,
    "trusted": TRUSTED_FOR,
    "unconfirmed": UNCONFIRMED_FOR,
    "username": PAUSE,
}
# The largest unit that says it exactly, and from how many of it on: "24 hours", but "2 days".
UNITS = (("day", timedelta(days=1), 2), ("hour", timedelta(hours=1), 1))


def in_words(lifetime: timedelta) -> str:
    """A lifetime in the language that is active: "30 minutes", "7 Tage"."""
    for unit, length, fewest in UNITS:
        count, rest = divmod(lifetime, length)
        if count >= fewest and not rest:
            return TIME_STRINGS[unit] % {"num": count}
    return TIME_STRINGS["minute"] % {"num": lifetime // timedelta(minutes=1)}
