"""What was refused to whom it is not for, or who tried to get around us: said and counted.

Each line has who asked, where that is known already, from where, and for which page (ASVS 16.3.2,
16.3.3). Neither the address that was asked for nor anything that was posted is in it.
"""

import logging

from django.http import HttpRequest

from bottomline import metrics
from bottomline.caller import client_ip

log = logging.getLogger(__name__)


def note(request: HttpRequest, event: str, *, reason: str, **fields: str) -> None:
    """A line in the log, and a count of its reason.

    A reason is a word of ours, of which there are few: each makes a series of the metrics.
    """
    metrics.EVENTS.labels(event, reason).inc()
    # Asking who it is could cost a round trip, or fail: what is refused early stays cheap.
    user = getattr(request, "found_user", None)
    log.warning(
        event,
        extra={
            "reason": reason,
            "view": view_name(request),
            "user": str(getattr(user, "pk", None) or "-"),
            "ip": client_ip(request),
            **fields,
        },
    )


def view_name(request: HttpRequest) -> str:
    """The name of the page that was asked for; empty where there is none, or nobody looked yet."""
    return request.resolver_match.view_name if request.resolver_match else ""
