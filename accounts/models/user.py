from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.hashers import verify_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH, USERNAME_MAX, username_key
from bottomline.tokens import new_public_id


class UserManager(BaseUserManager["User"]):
    """Finds people. They are made by redeeming an invite: see invites.services."""


class User(AbstractBaseUser, PermissionsMixin):
    """A person with an account, confirmed or not yet."""

    # Random, because it is shown to other servers and in addresses of pages.
    id = models.UUIDField(primary_key=True, default=new_public_id, editable=False)
    email = models.CharField("email address", max_length=EMAIL_LENGTH, unique=True)
    username = models.CharField(max_length=USERNAME_MAX)
    username_key = models.CharField(max_length=USERNAME_MAX, unique=True, editable=False)
    display_name = models.CharField(max_length=100)
    is_staff = models.BooleanField("staff", default=False)
    email_confirmed_at = models.DateTimeField(null=True, editable=False)
    blocked_until = models.DateTimeField(null=True, blank=True)
    # Raised to end every session there is, even one that a lost Redis brings back.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    # What a session remembers of its user, in the order of the columns, as `from_db` wants it.
    SNAPSHOT_FIELDS = (
        "is_superuser",
        "id",
        "email",
        "username",
        "display_name",
        "is_staff",
        "blocked_until",
        "session_epoch",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(email=""), name="user_has_an_address"),
            models.CheckConstraint(condition=~Q(username_key=""), name="user_has_a_name"),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(email_confirmed_at=None),
                name="user_unconfirmed",
            )
        ]

    def __str__(self) -> str:
        return self.username

    def name(self, username: str) -> None:
        """Give the account a name, and what that name looks like."""
        self.username, self.username_key = username, username_key(username)

    def check_password(self, raw_password: str | None) -> bool:
        """Whether that is the password. Unlike Django's it writes nothing: see services.login."""
        return verify_password(raw_password, self.password)[0]

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.username

    @property
    def is_confirmed(self) -> bool:
        return self.email_confirmed_at is not None

    @property
    def is_blocked(self) -> bool:
        return self.blocked_until is not None and timezone.now() < self.blocked_until

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # what Django and its admin ask for
        return not self.is_blocked

    def snapshot(self) -> dict[str, Any]:
        """What a session remembers of this user, and when it was read."""
        kept = {name: getattr(self, name) for name in self.SNAPSHOT_FIELDS}
        kept["id"] = str(kept["id"])
        kept["blocked_until"] = self.blocked_until and self.blocked_until.isoformat()
        return kept | {"read_at": timezone.now().timestamp()}

    @classmethod
    def from_snapshot(cls, kept: dict[str, Any]) -> "User":
        """A user built from a session, without SQL; touching any other field loads it."""
        until = kept["blocked_until"]
        fields = kept | {
            "id": UUID(kept["id"]),
            "blocked_until": until and datetime.fromisoformat(until),
        }
        values = [fields[name] for name in cls.SNAPSHOT_FIELDS]
        return cls.from_db(None, cls.SNAPSHOT_FIELDS, values)
