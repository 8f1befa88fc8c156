"""`GET /session/`: who is this request? For gateways and the app shell."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from bottomline.sessions.record import Meta
from bottomline.sessions.request import Request


@login_not_required
@require_safe
def who_is_this(request: Request) -> HttpResponse:
    """200 and who it is, or 401. Asking counts as activity: a gateway asks for every page."""
    if not request.user.is_authenticated:
        response = JsonResponse({"user": None}, status=401)
        response["WWW-Authenticate"] = CHALLENGE
        return response
    snapshot, meta = request.session.snapshot, request.session.meta
    assert snapshot
    assert meta
    response = JsonResponse(answer(snapshot, meta))
    response["X-Auth-User"] = snapshot["id"]
    response["X-Auth-Username"] = snapshot["username"]
    return response


# RFC 9110 wants a challenge beside each 401; there is no registered scheme for cookies.
CHALLENGE = 'Cookie realm="session"'


def answer(snapshot: dict[str, Any], meta: Meta) -> dict[str, Any]:
    return {
        "user": {"id": snapshot["id"], "username": snapshot["username"]},
        "expires_at": meta.expires.isoformat(timespec="seconds"),
    }
