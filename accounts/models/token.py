from datetime import timedelta
from uuid import UUID

from django.db import models
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH
from accounts.errors import TokenUnusable
from accounts.models.user import User
from bottomline import tokens
from bottomline.outbox.models import OutboxMessage


class Purpose(models.TextChoices):
    EMAIL_CONFIRMATION = "email_confirmation"
    PASSWORD_RESET = "password_reset"  # noqa: S105  (a purpose, not a password)
    DISOWN = "disown"  # “this wasn’t me”, in every notice
    LOGIN_UNLOCK = "login_unlock"


# Whoever reads the inbox within this time owns the account (ASVS 6.4.1).
LIFETIMES = {
    Purpose.EMAIL_CONFIRMATION: timedelta(hours=24),
    Purpose.PASSWORD_RESET: timedelta(minutes=30),
    # It only ever closes doors, and who is on a journey reads the notice late.
    Purpose.DISOWN: timedelta(days=7),
    # As long as the longest window that strangers can use up. It opens no account.
    Purpose.LOGIN_UNLOCK: timedelta(hours=24),
}


# Nobody who got in may take these from the owner, not even by changing the password.
ONLY_CLOSE_DOORS = (Purpose.DISOWN,)


class TokenQuerySet(models.QuerySet["Token"]):
    def usable(self) -> "TokenQuerySet":
        """Unused, in time, and its user still has the address it was sent to."""
        return self.filter(used_at=None, expires_at__gt=timezone.now(), sent_to=F("user__email"))

    def over(self) -> "TokenQuerySet":
        """What no link opens any more, nor could: as long as there is the message that a token was
        named after, trying that again must find it and not make the link anew.
        """
        named_after = OutboxMessage.objects.filter(pk=OuterRef("public_id"))
        return self.filter(~Exists(named_after), expires_at__lte=timezone.now())

    def issue(self, user: User, purpose: Purpose, *, public_id: UUID | None = None) -> "Token":
        """A new token for the user's present address; the older ones of that purpose are dead.

        But for DISOWN: each notice keeps its own.
        """
        if purpose != Purpose.DISOWN:
            self.filter(user=user, purpose=purpose).delete()
        return self.create(
            public_id=public_id or tokens.new_public_id(),
            user=user,
            purpose=purpose,
            sent_to=user.email,
            expires_at=timezone.now() + LIFETIMES[purpose],
        )

    def find(self, token: str, purpose: Purpose) -> "Token | None":
        """The usable token a link carries, without spending it."""
        public_id = tokens.find(purpose, token)
        if public_id is None:
            return None
        wanted = self.usable().filter(public_id=public_id, purpose=purpose)
        return wanted.select_related("user").first()


class Token(models.Model):
    """A link in a mail. The row says what it is for; the link's MAC is not kept anywhere."""

    public_id = models.UUIDField(unique=True, default=tokens.new_public_id, editable=False)
    purpose = models.CharField(max_length=20)  # of Purpose
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    sent_to = models.CharField(max_length=EMAIL_LENGTH)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = TokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.purpose} {self.pk}"

    @property
    def link_token(self) -> str:
        """What the link carries; the same however often it is asked for."""
        return tokens.make(self.purpose, self.public_id)

    def consume(self) -> None:
        """Spend it, once: of two people arriving together one gets TokenUnusable."""
        mine = Token.objects.filter(pk=self.pk, used_at=None)
        if not mine.update(used_at=timezone.now()):
            raise TokenUnusable
