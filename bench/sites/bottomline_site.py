"""bottomline as it is deployed, and the members the benchmark needs.

The numbers of the limits stay those of production: there are many members, each tries from many
addresses, and the load generator plays the one trusted proxy.
"""

from bench.load import CSRF, MEMBERS, PASSWORD
from bottomline.wsgi import application

__all__ = ["application"]


def prepare() -> None:
    from django.conf import settings
    from django.contrib import auth
    from django.contrib.auth.hashers import make_password
    from django.core.management import call_command
    from django.test import RequestFactory
    from django.utils import timezone

    from accounts.models import User
    from accounts.services import login
    from bottomline.caller import Caller
    from bottomline.sessions import cookie
    from bottomline.sessions.store import SessionStore

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    password, now = make_password(PASSWORD), timezone.now()
    members = [
        User(email=f"bench{n}@example.org", password=password, email_confirmed_at=now)
        for n in range(MEMBERS)
    ]
    for n, member in enumerate(members):
        member.name(f"bench{n}")
        member.display_name = member.username
    User.objects.bulk_create(members)

    request = RequestFactory().get("/")
    request.session, request.user = SessionStore(), auth.models.AnonymousUser()
    login.complete(
        request,
        User.objects.get(email="bench0@example.org"),
        method="password",
        caller=Caller(ip="127.0.0.1", user_agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/142.0"),
    )
    request.session.save()
    value = cookie.sign(request.session.session_key)
    print(f"{settings.SESSION_COOKIE_NAME}={value}; {settings.CSRF_COOKIE_NAME}={CSRF}")


if __name__ == "__main__":
    prepare()
