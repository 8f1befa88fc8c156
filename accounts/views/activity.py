from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.decorators import page
from accounts.requests import MemberRequest
from accounts.sentences import GROUPS
from accounts.services import activity, history


@page
def own(request: MemberRequest) -> HttpResponse:
    """What happened to the account, by the days of the member's own time zone."""
    only = request.GET.get("only", "")
    only = only if only in GROUPS else ""
    with timezone.override(ZoneInfo(request.user.time_zone)):
        shown = activity.list_page(request.user.pk, only=only, before=request.GET.get("before", ""))
        context = {
            "activity": shown,
            "only": only,
            "zone": request.user.time_zone,
            "kept": history.KEPT.days,
            "origin_kept": history.ORIGIN_KEPT.days,
        }
        return render(request, "accounts/activity/own.html", context)
