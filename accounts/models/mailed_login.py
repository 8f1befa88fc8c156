import hmac
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from bottomline import keys, tokens

LINK = "login_link"  # what the mailed link is good for
BROWSER = "login_browser"  # and what the browser that asked for it keeps

GOOD_FOR = timedelta(minutes=10)  # NIST SP 800-63B, out of band (ASVS 6.5.5)
MOST_GUESSES = 5
CODE_LENGTH = 8  # digits, so 26 bits (ASVS 6.5.4)
CODE_KEY = "login-code"


class MailedLoginQuerySet(models.QuerySet["MailedLogin"]):
    def usable(self) -> "MailedLoginQuerySet":
        return self.filter(used_at=None, expires_at__gt=timezone.now())

    def over(self) -> "MailedLoginQuerySet":
        return self.filter(expires_at__lte=timezone.now())

    def find(self, token: str, purpose: str) -> "MailedLogin | None":
        """The one that a link, or a browser, names, used or not; looking spends nothing."""
        public_id = tokens.find(purpose, token)
        if public_id is None:
            return None
        return self.filter(public_id=public_id, expires_at__gt=timezone.now()).first()


class MailedLogin(models.Model):
    """A way in by mail that somebody has asked for: a link and a code, in the browser they are in.

    One for every address that is typed, with an account or without; a newer one takes its place.
    Neither the link nor the code is kept: both follow from the row's name and a key that is not in
    the database, so that a mail sent twice carries the same.
    """

    public_id = models.UUIDField(unique=True, default=tokens.new_public_id, editable=False)
    sent_to = models.CharField(max_length=EMAIL_LENGTH, unique=True)
    # The invite it was asked with, by which somebody without an account may have one.
    invite = models.UUIDField(null=True)
    # Of the browser that asked, for the mail to somebody of whom nothing else is known.
    language = models.CharField(
        max_length=5,
        choices=settings.LANGUAGES,
        default=settings.LANGUAGE_CODE,
        db_default=settings.LANGUAGE_CODE,
    )
    requested_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    guesses = models.PositiveSmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    objects = MailedLoginQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="mailed_login_by_end")]

    def __str__(self) -> str:
        return f"mailed login {self.pk}"

    @property
    def link_token(self) -> str:
        return tokens.make(LINK, self.public_id)

    @property
    def browser_token(self) -> str:
        return tokens.make(BROWSER, self.public_id)

    @property
    def code(self) -> str:
        """The eight digits, the same however often they are mailed."""
        return _digits(keys.mac(CODE_KEY, self.public_id.bytes))

    def consume(self) -> bool:
        """Spend it, once: of two who arrive together one is told False."""
        return bool(self._as_read().update(used_at=timezone.now()))

    def guess(self, code: str) -> bool:
        """Count a guess, and where it is right spend the whole: one UPDATE, so nobody gets more.

        False for a wrong one, and for any after the fifth.
        """
        macs = keys.macs(CODE_KEY, self.public_id.bytes)
        is_right = any(hmac.compare_digest(_digits(mac), code) for mac in macs)
        counted = self._as_read().filter(guesses__lt=MOST_GUESSES)
        used_at = timezone.now() if is_right else None
        return bool(counted.update(guesses=F("guesses") + 1, used_at=used_at)) and is_right

    def _as_read(self) -> MailedLoginQuerySet:
        # By its name: the row may by now be that of a newer request.
        return MailedLogin.objects.usable().filter(public_id=self.public_id)


def _digits(mac: bytes) -> str:
    # Of 64 bits, so that no code is likelier than another by more than one in 10^11.
    number: int = int.from_bytes(mac[:8], "big") % 10**CODE_LENGTH
    return f"{number:0{CODE_LENGTH}}"
