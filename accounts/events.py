"""What happens to accounts: a line in the log, a count, and a row in the history.

Ids, never addresses.
"""

import logging
from uuid import UUID

from accounts.models import Event, User
from bottomline import metrics
from bottomline.caller import Caller

log = logging.getLogger("accounts")

SYSTEM = Caller(ip="")  # what happens by itself: at a time, or by a command


def log_only(event: str, *, caller: Caller, **fields: str | int) -> None:
    """Note an event in the log alone: what anybody may cause at will is not to fill a table.

    A reason is a word of ours, of which there are few: each makes a series of the metrics.
    """
    metrics.EVENTS.labels(event, fields.get("reason", "")).inc()
    log.info(event, extra={"ip": caller.ip or "-", **fields})


def record(
    event: str, *, caller: Caller, user: User | UUID | None = None, **fields: str | int
) -> Event:
    """Note an event with whom it concerns and where it came from, in the caller's transaction.

    No address, name, token or code belongs into the fields: they outlive the account.
    """
    user_id = user.pk if isinstance(user, User) else user
    log_only(event, caller=caller, user=str(user_id or "-"), **fields)
    return Event.objects.keep(event, caller=caller, user_id=user_id, details=fields)
