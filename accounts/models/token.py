from datetime import timedelta
from uuid import UUID

from django.db import models
from django.db.models import F
from django.utils import timezone

from accounts.errors import TokenUnusable
from accounts.models.user import User
from bottomline import tokens


class Purpose(models.TextChoices):
    CONFIRM_EMAIL = "confirm_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105


# Whoever reads the inbox within this time owns the account (ASVS 6.4.1).
LIFETIMES = {
    Purpose.CONFIRM_EMAIL: timedelta(hours=24),
    Purpose.RESET_PASSWORD: timedelta(minutes=30),
}


class TokenQuerySet(models.QuerySet["Token"]):
    def usable(self) -> "TokenQuerySet":
        """Unused, in time, and its user still has the address it was sent to."""
        return self.filter(used_at=None, expires_at__gt=timezone.now(), sent_to=F("user__email"))

    def issue(self, user: User, purpose: Purpose, *, public_id: UUID | None = None) -> "Token":
        """A new token for the user's present address; the older ones of that purpose are dead."""
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
        try:
            public_id = tokens.read(purpose, token)
        except tokens.BadToken:
            return None
        wanted = self.usable().filter(public_id=public_id, purpose=purpose)
        return wanted.select_related("user").first()

    def get_usable(self, token: str, purpose: Purpose) -> "Token":
        """The same, or TokenUnusable; what we did not make costs no query."""
        found = self.find(token, purpose)
        if found is None:
            raise TokenUnusable
        return found


class Token(models.Model):
    """A link in a mail. The row says what it is for; the link's MAC is not kept anywhere."""

    public_id = models.UUIDField(unique=True, default=tokens.new_public_id, editable=False)
    purpose = models.CharField(max_length=20, choices=Purpose)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    sent_to = models.CharField(max_length=254)
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
