"""Flash messages in a signed cookie, because visitors have no session."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage


class SignedCookieStorage(CookieStorage):
    cookie_name = f"{settings.COOKIE_PREFIX}messages"
