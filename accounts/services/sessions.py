"""A member's sessions, seen from the account: ending them, and telling them of changes."""

from functools import partial

from django.db import transaction
from django.db.models import F

from accounts.models import User
from bottomline.sessions import index


def end_all(user: User) -> None:
    """End every session the member has, on their next request, whatever happens to Redis.

    The epoch is the truth: a session that a restored Redis brings back belongs to an older one.
    After commit, so a change that rolls back logs nobody out.
    """
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    transaction.on_commit(partial(index.end_all, user.pk), robust=True)


def refresh(user: User) -> None:
    """Show a changed member to all of their sessions, on the next request of each."""
    fresh = User.objects.get(pk=user.pk)
    index.refresh(fresh.pk, fresh.snapshot())
