from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from accounts.addresses import USERNAME_MAX
from accounts.models.user import User

HELD_FOR = timedelta(days=365)


def end_of_holding() -> datetime:
    return timezone.now() + HELD_FOR


class FormerUsernameQuerySet(models.QuerySet["FormerUsername"]):
    def held(self) -> "FormerUsernameQuerySet":
        return self.filter(held_until__gt=timezone.now())

    def over(self) -> "FormerUsernameQuerySet":
        """What was kept long enough."""
        return self.filter(held_until__lte=timezone.now())


class FormerUsername(models.Model):
    """A name somebody gave up: kept from everybody else for a while, and leading to the new one."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="former_usernames")
    username = models.CharField(max_length=USERNAME_MAX)
    username_key = models.CharField(max_length=USERNAME_MAX, unique=True)
    given_up_at = models.DateTimeField(default=timezone.now)
    held_until = models.DateTimeField(default=end_of_holding, db_index=True)

    objects = FormerUsernameQuerySet.as_manager()

    def __str__(self) -> str:
        return self.username
