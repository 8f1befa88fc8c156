from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, verify_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.addresses import EMAIL_LENGTH, USERNAME_MAX, username_key
from bottomline.tokens import new_public_id

DISPLAY_NAME_LENGTH = 100
BIO_LENGTH = 500
BLOCK_REASON_LENGTH = 200
COME_BACK_WITHIN = timedelta(days=14)  # by logging in; then a closed account is erased


class UserManager(BaseUserManager["User"]):
    """Finds people. They are made by redeeming an invite: see invites.signup."""

    def standing(self) -> "models.QuerySet[User]":
        """Who is a member now: confirmed, not blocked, and has not left."""
        blocked = Q(blocked_until__gt=timezone.now())
        present = self.filter(closed_at=None, erased_at=None)
        return present.exclude(email_confirmed_at=None).exclude(blocked)

    def blocked(self) -> "models.QuerySet[User]":
        """Who was blocked and has not been let in again, though their time may be over."""
        return self.exclude(blocked_until=None)

    def reachable(self) -> "models.QuerySet[User]":
        """Everybody we may write to: who has an account, and who can still come back to theirs."""
        is_in_time = Q(closed_at=None) | Q(closed_at__gt=timezone.now() - COME_BACK_WITHIN)
        return self.filter(is_in_time, erased_at=None)

    def lapsed(self) -> "models.QuerySet[User]":
        """Who left and did not come back in time; what is left of them is to be erased."""
        return self.filter(closed_at__lte=timezone.now() - COME_BACK_WITHIN, erased_at=None)


class User(AbstractBaseUser, PermissionsMixin):
    """A person with an account, confirmed or not yet."""

    # Random, because it is shown to other servers and in addresses of pages.
    id = models.UUIDField(primary_key=True, default=new_public_id, editable=False)
    email = models.CharField("email address", max_length=EMAIL_LENGTH, unique=True)
    username = models.CharField(max_length=USERNAME_MAX)
    username_key = models.CharField(max_length=USERNAME_MAX, unique=True, editable=False)
    display_name = models.CharField(max_length=DISPLAY_NAME_LENGTH)
    bio = models.TextField(max_length=BIO_LENGTH, blank=True, default="", db_default="")
    language = models.CharField(
        max_length=5,
        choices=settings.LANGUAGES,
        default=settings.LANGUAGE_CODE,
        db_default=settings.LANGUAGE_CODE,
    )
    time_zone = models.CharField(
        max_length=40, default=settings.TIME_ZONE, db_default=settings.TIME_ZONE
    )
    # Names the stored files: see bottomline.pictures.
    picture = models.UUIDField(null=True, editable=False)
    is_staff = models.BooleanField("staff", default=False)
    email_confirmed_at = models.DateTimeField(null=True, editable=False)
    # Mailed links that were asked for before are dead.
    password_changed_at = models.DateTimeField(null=True, editable=False)
    blocked_until = models.DateTimeField(null=True, blank=True)
    block_reason = models.CharField(
        max_length=BLOCK_REASON_LENGTH, blank=True, default="", db_default=""
    )
    # Raised to end every session there is, even one that a lost Redis brings back.
    session_epoch = models.PositiveIntegerField(default=0, editable=False)
    # Since when a second factor is asked for; None where there is none.
    second_factor_at = models.DateTimeField("second factor since", null=True, editable=False)
    # When that ends, if staff approve: somebody asked for it. Every page of theirs says so.
    factor_reset_due_at = models.DateTimeField(null=True, editable=False)
    # What passkeys know the account by: random, and the same for all of them.
    passkey_handle = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True, editable=False)
    # The message that says goodbye: as long as it waits to be sent, so does the erasing.
    farewell = models.UUIDField(null=True, editable=False)
    erased_at = models.DateTimeField(null=True, editable=False)

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
        "factor_reset_due_at",
    )
    SNAPSHOT_MOMENTS = ("blocked_until", "factor_reset_due_at")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(email=""), name="user_has_an_address"),
            models.CheckConstraint(condition=~Q(username_key=""), name="user_has_a_name"),
            models.UniqueConstraint(
                fields=["picture"],
                condition=Q(picture__isnull=False),
                name="user_picture",
            ),
            # A tombstone says nothing of anybody; and whoever has no name is one.
            models.CheckConstraint(
                condition=(Q(erased_at=None) & ~Q(username=""))
                | Q(
                    ~Q(email__contains="@"),
                    erased_at__isnull=False,
                    closed_at__isnull=False,
                    email__startswith="~",
                    username="",
                    username_key__startswith="~",
                    display_name="",
                    bio="",
                    picture=None,
                    password__startswith=UNUSABLE_PASSWORD_PREFIX,
                    is_staff=False,
                    is_superuser=False,
                    last_login=None,
                    blocked_until=None,
                ),
                name="user_erased_is_nobody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=Q(email_confirmed_at=None),
                name="user_unconfirmed",
            ),
            # Of whom there are few, however many members there are.
            models.Index(
                fields=["blocked_until"],
                condition=Q(blocked_until__isnull=False),
                name="user_blocked",
            ),
        ]

    def __str__(self) -> str:
        return self.username or "a former member"

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
    def is_standing(self) -> bool:
        """Whether they are a member now: see `standing`."""
        return self.is_confirmed and not self.is_blocked and not self.is_closed

    @property
    def is_closed(self) -> bool:
        return self.closed_at is not None

    @property
    def is_erased(self) -> bool:
        return not self.username  # which a session remembers; a constraint ties it to `erased_at`

    @property
    def is_active(self) -> bool:  # type: ignore[override]  # what Django and its admin ask for
        return not self.is_blocked and not self.is_erased

    def become_tombstone(self) -> None:
        """Keep the id and the dates, for the lineage and the counts, and forget who it was.

        No real value can equal these: an address has an @, and no name begins with a tilde.
        """
        self.email, self.username_key = f"~{self.pk.hex}", f"~{self.pk.hex[:29]}"
        self.username = self.display_name = self.bio = self.block_reason = ""
        self.picture = None
        self.language, self.time_zone = settings.LANGUAGE_CODE, settings.TIME_ZONE
        self.is_staff = self.is_superuser = False
        self.last_login = self.password_changed_at = self.blocked_until = self.farewell = None
        self.second_factor_at = self.factor_reset_due_at = None
        self.passkey_handle = None
        self.set_unusable_password()
        self.erased_at = timezone.now()

    def snapshot(self) -> dict[str, Any]:
        """What a session remembers of this user, and when it was read."""
        kept = {name: getattr(self, name) for name in self.SNAPSHOT_FIELDS}
        kept["id"] = str(kept["id"])
        for name in self.SNAPSHOT_MOMENTS:
            kept[name] = kept[name] and kept[name].isoformat()
        return kept | {"read_at": timezone.now().timestamp()}

    @classmethod
    def from_snapshot(cls, kept: dict[str, Any]) -> "User":
        """A user built from a session, without SQL; touching any other field loads it."""
        fields = kept | {"id": UUID(kept["id"])}
        for name in cls.SNAPSHOT_MOMENTS:
            fields[name] = fields[name] and datetime.fromisoformat(fields[name])
        values = [fields[name] for name in cls.SNAPSHOT_FIELDS]
        return cls.from_db(None, cls.SNAPSHOT_FIELDS, values)
