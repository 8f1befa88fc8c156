"""What the sessions of a member remember of them."""

from accounts.models import User
from bottomline.sessions import index


def refresh(user: User) -> None:
    """Show a changed member to all of their sessions, on the next request of each."""
    fresh = User.objects.get(pk=user.pk)
    index.refresh(fresh.pk, fresh.snapshot())
