"""Who may make an account without a password: somebody who has proved an address, on an invite."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from accounts.models import User


@dataclass(frozen=True)
class Proved:
    """An address that is known to be theirs, the invite they came on, and how they proved it."""

    email: str
    invite: UUID
    method: str  # as `login.complete` is told
    # Spends the proof for the account that was made with it, in the transaction in which it was.
    # Raises TokenUnusable where it was spent before: of two who press at once one finds it gone.
    spend: Callable[[User], None]
