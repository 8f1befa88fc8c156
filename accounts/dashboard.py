"""How hard the door is pushed at, on the admin's front page."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from accounts.models import Event, FactorReset, User
from bottomline import dashboard
from bottomline.dashboard import May, today

DAY = timedelta(days=1)

PRESSURE = {
    "login.refused": "Logins refused",
    "login.paused": "Logins paused after too many tries",
    "reauth.refused": "Refused proofs before a change",
}


def pressure(may: May) -> dict[str, Any]:
    """What was refused today and in the last 7 days, who is blocked, and who waits."""
    numbers: dict[str, Any] = {}
    if may("accounts.view_event"):
        since = today()
        # No further back: what concerns no account is kept for 7 days.
        lately = Event.objects.filter(kind__in=PRESSURE, at__gte=since - 6 * DAY).order_by()
        counted = lately.values("kind").annotate(
            today=Count("pk", filter=Q(at__gte=since)), week=Count("pk")
        )
        found = {row["kind"]: row for row in counted}
        nothing = {"today": 0, "week": 0}
        numbers["refused"] = [(name, found.get(kind, nothing)) for kind, name in PRESSURE.items()]
    if may("accounts.view_user"):
        numbers["blocked"] = User.objects.filter(blocked_until__gt=timezone.now()).count()
    if may("accounts.view_factorreset"):
        numbers["resets"] = FactorReset.objects.open().filter(approved_at=None).count()
    return numbers


dashboard.register("Pressure", "admin/dashboard/pressure.html", pressure)
