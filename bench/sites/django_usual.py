"""What other Django sites here share: sessions in Redis through django-redis, users in SQLite.

Their database connection is kept open as ours is; Django's default would open one per request.
"""

import os

from django.conf import settings

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def configure(name: str, *, database: int, **more: object) -> None:
    """Settings for a site with a Redis database of its own."""
    options = {
        "ALLOWED_HOSTS": ["*"],
        "SECRET_KEY": "bench" * 10,
        "ROOT_URLCONF": name,
        "MIDDLEWARE": MIDDLEWARE,
        "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes"],
        "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{os.environ['BENCH_FOLDER']}/{name}.sqlite3",
                "CONN_MAX_AGE": None,
            }
        },
        "CACHES": {
            "default": {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"unix://{os.environ['BENCH_REDIS']}?db={database}",
            }
        },
        "USE_TZ": True,
    }
    settings.configure(**{**options, **more})


def prepare() -> None:
    """Make a user, log them in, and print the cookie they would send."""
    from django.contrib import auth
    from django.contrib.sessions.backends.cache import SessionStore
    from django.core.management import call_command
    from django.test import RequestFactory

    call_command("migrate", verbosity=0)
    user = auth.get_user_model().objects.create_user("bench")
    request = RequestFactory().get("/")
    request.session = SessionStore()
    auth.login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    print(f"sessionid={request.session.session_key}")
