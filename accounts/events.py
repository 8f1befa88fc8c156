"""What happens to accounts, as log events. Ids only: no address, token or code."""

import logging

from bottomline.caller import Caller

log = logging.getLogger("accounts")


def record(event: str, *, caller: Caller, user: object = None, **fields: object) -> None:
    """Note an event with who did it (an id, or nothing) and from where."""
    log.info(event, extra={"user": str(user or "-"), "ip": caller.ip, **fields})
