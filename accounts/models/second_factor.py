import hmac
import secrets
from base64 import b32encode
from datetime import timedelta
from hashlib import sha256

import pyotp
from django.conf import settings
from django.db import models
from django.db.models import F
from django.utils import timezone

from accounts.models.user import User
from bottomline import sealing

SEED_BYTES = 20  # 160 bits, as RFC 4226 recommends
STEP = 30  # seconds (RFC 6238)
SKEW = 1  # steps that a clock may be off, either way
DIGITS = 6

SET_UP_WITHIN = timedelta(hours=1)  # then the secret on the page is a new one
TRUSTED_FOR = timedelta(days=30)

CODES = 10
CODE_LENGTH = 24  # base32 characters: 120 bits, so that a plain hash is enough (ASVS 6.5.2)
CODE_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648


class TotpQuerySet(models.QuerySet["Totp"]):
    def pending(self) -> "TotpQuerySet":
        """What somebody is about to set up."""
        return self.filter(confirmed_at=None, created_at__gt=timezone.now() - SET_UP_WITHIN)

    def over(self) -> "TotpQuerySet":
        """What nobody finished setting up."""
        return self.filter(confirmed_at=None, created_at__lte=timezone.now() - SET_UP_WITHIN)

    def begin(self, user: User) -> "Totp":
        """A new secret, which counts for nothing until a code confirms it."""
        self.filter(user=user, confirmed_at=None).delete()
        return self.create(user=user, sealed=_seal(secrets.token_bytes(SEED_BYTES), user))


class Totp(models.Model):
    """The secret that an authenticator app shares with us, and the last step it has shown."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="totp")
    sealed = models.BinaryField()
    last_step = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True)
    codes_saved_at = models.DateTimeField(null=True)  # the recovery codes, as the member says

    objects = TotpQuerySet.as_manager()

    def __str__(self) -> str:
        return f"totp {self.pk}"

    @property
    def secret(self) -> str:
        """The seed as people type it, in base32. Raises CannotOpen."""
        return b32encode(self._seed()).decode()

    @property
    def uri(self) -> str:
        """What the QR code says (Key URI Format). Raises CannotOpen."""
        totp = pyotp.TOTP(self.secret)
        return totp.provisioning_uri(name=self.user.email, issuer_name=settings.SITE_NAME)

    @property
    def is_readable(self) -> bool:
        """Whether a key in use opens it."""
        try:
            self._seed()
        except sealing.CannotOpen:
            return False
        return True

    def spend(self, code: str) -> bool:
        """Whether that is the code of now, give or take a step; each step counts once.

        By our clock alone. Of many with the same code at once one is right, for the step is taken
        by one UPDATE that asks for it. Raises CannotOpen.
        """
        if not (len(code) == DIGITS and code.isascii() and code.isdigit()):
            return False
        totp = pyotp.TOTP(self.secret, digits=DIGITS, interval=STEP)
        now = int(timezone.now().timestamp()) // STEP
        for step in range(now - SKEW, now + SKEW + 1):
            if hmac.compare_digest(totp.generate_otp(step), code):
                unspent = Totp.objects.filter(pk=self.pk, last_step__lt=step)
                return bool(unspent.update(last_step=step, sealed=self._sealed_today()))
        return False

    def _seed(self) -> bytes:
        return sealing.open_sealed(bytes(self.sealed), place=_place_of(self.user_id))

    def _sealed_today(self) -> bytes:
        """With the key of today, if a retired one sealed it."""
        sealed = bytes(self.sealed)
        return sealed if sealing.is_of_today(sealed) else _seal(self._seed(), self.user)


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    def unused(self, user: User) -> "RecoveryCodeQuerySet":
        return self.filter(user=user, used_at=None)

    def replace(self, user: User) -> list[str]:
        """A new set of codes, which are known to nobody else afterwards; the old ones are dead."""
        self.filter(user=user).delete()
        codes = [
            "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(CODES)
        ]
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=user, digest=_digest(code)) for code in codes
        )
        return codes

    def spend(self, user: User, code: str) -> bool:
        """Whether that is a code of theirs that was not used; it is now. Of two at once one is."""
        return bool(self.unused(user).filter(digest=_digest(code)).update(used_at=timezone.now()))


class RecoveryCode(models.Model):
    """One way past a lost authenticator app, once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)  # SHA-256, in hexadecimal
    used_at = models.DateTimeField(null=True)

    objects = RecoveryCodeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "digest"], name="recovery_code_is_one")
        ]

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


class TrustedBrowserQuerySet(models.QuerySet["TrustedBrowser"]):
    def trusted(self) -> "TrustedBrowserQuerySet":
        """What is believed now: in time, and nothing that ends sessions has happened since."""
        since = timezone.now() - TRUSTED_FOR
        return self.filter(trusted_at__gt=since, session_epoch=F("user__session_epoch"))

    def over(self) -> "TrustedBrowserQuerySet":
        return self.filter(trusted_at__lte=timezone.now() - TRUSTED_FOR)


class TrustedBrowser(models.Model):
    """A browser in which a member is asked for no code: one that the device cookie knows.

    Named by the keyless digest of what the cookie holds for the account, so that the row opens
    nothing without it.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="trusted_browsers")
    digest = models.CharField(max_length=64)
    user_agent = models.TextField(blank=True)
    trusted_at = models.DateTimeField(default=timezone.now)
    session_epoch = models.PositiveIntegerField()

    objects = TrustedBrowserQuerySet.as_manager()

    def __str__(self) -> str:
        return f"trusted browser {self.pk}"


def _digest(code: str) -> str:
    return sha256(code.encode()).hexdigest()


def _place_of(user_id: object) -> str:
    return f"accounts_totp:{user_id}"


def _seal(seed: bytes, user: User) -> bytes:
    return sealing.seal(seed, place=_place_of(user.pk))
