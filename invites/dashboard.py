"""How people come in, week by week, on the admin's front page."""

from typing import Any

from django.db.models import Count

from accounts.models import Event
from bottomline import dashboard
from bottomline.dashboard import May, Series, by_week
from invites.models import Invite

# Of the history and not of the members: who did not confirm in time is no row of theirs any more.
HAPPENED = {
    "signup.done": "Signed up",
    "email_confirmation.done": "Confirmed",
    "login.completed": "Active",
}


def funnel(may: May) -> dict[str, Any]:
    """What happened in each week: invited, opened, signed up, confirmed, active."""
    weeks = dashboard.weeks()
    columns = []
    if may("invites.view_invite"):
        for name, moment in (("Invited", "created_at"), ("Opened", "opened_at")):
            counted = by_week(Invite.objects.all(), moment, Count("pk"), weeks[0])
            columns.append(Series(name, [counted.get((week,), 0) for week in weeks]))
    if may("accounts.view_event"):
        people = Count("user_id", distinct=True)  # who does it twice in a week is still one
        events = Event.objects.filter(kind__in=HAPPENED)
        counted = by_week(events, "at", people, weeks[0], "kind")
        for kind, name in HAPPENED.items():
            columns.append(Series(name, [counted.get((week, kind), 0) for week in weeks]))
    return {"columns": columns, "rows": dashboard.table(columns, weeks)} if columns else {}


dashboard.register("How people come in", "admin/dashboard/funnel.html", funnel)
