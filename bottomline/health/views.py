"""Whether this process lives, and whether it can serve. No details: the answers are public."""

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from bottomline.errors import REDIS_AWAY
from bottomline.sessions.redis import client


@login_not_required
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@login_not_required
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    try:
        client().ping()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (*REDIS_AWAY, DatabaseError):
        response = JsonResponse({"status": "unavailable"}, status=503)
        response["Retry-After"] = "5"
        return response
    return JsonResponse({"status": "ok"})
