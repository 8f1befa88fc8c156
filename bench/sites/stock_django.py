"""Django's own sessions and users answering what our `/session/` answers."""

from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path

from bench.sites import django_usual

django_usual.configure("bench.sites.stock_django", database=3)


def who_is_this(request):
    if not request.user.is_authenticated:
        return JsonResponse({"user": None}, status=401)
    return JsonResponse(
        {
            "user": {"id": request.user.pk, "username": request.user.username},
            "expires_at": request.session.get_expiry_date().isoformat(timespec="seconds"),
        }
    )


urlpatterns = [path("session/", who_is_this)]
application = get_wsgi_application()

if __name__ == "__main__":
    django_usual.prepare()
