"""Every setting, in sections. The environment is read here; `make run` fills in what is missing.

Each name may also be given as NAME_FILE, the path of a file that holds the value.
The defaults are those of production: without a secret key or a public address nothing starts.
"""

import os
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"


class Given(environ.fileaware_mapping.FileAwareMapping):
    """The environment, where an empty value is no value and a file's last newline is not meant."""

    def __getitem__(self, name: str) -> str:
        value = super().__getitem__(name).strip()
        if not value:
            raise KeyError(name)
        return value


class Env(environ.Env):
    ENVIRON = Given()


env = Env()

# What `make run` runs with, so that a manage.py typed beside it means the same site. Never read
# where the environment has a secret key of its own.
LOCAL_ENVIRONMENT = VAR_DIR / "local.env"
if not env.str("SECRET_KEY", default="") and LOCAL_ENVIRONMENT.exists():
    environ.Env.read_env(LOCAL_ENVIRONMENT)


# --- What we are and where ---------------------------------------------------------------------

SITE_NAME = "The Bottom Line"
DEBUG = env.bool("DEBUG", default=False)
PORT = env.int("PORT", default=8000)

# Mails and the cookie prefix depend on it: never taken from a request's Host header.
SITE_URL = env.str("SITE_URL", default=f"http://localhost:{PORT}" if DEBUG else "").rstrip("/")
if urlsplit(SITE_URL).scheme not in {"http", "https"} or not urlsplit(SITE_URL).hostname:
    raise ImproperlyConfigured(
        "SITE_URL must be the address members type, for example https://door.example.org"
    )
IS_HTTPS = SITE_URL.startswith("https://")
SITE_HOST = urlsplit(SITE_URL).hostname or ""
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[SITE_HOST, *(["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])]
)
SUPPORT_URL = env.str("SUPPORT_URL", default=f"mailto:support@{SITE_HOST}")
if urlsplit(SUPPORT_URL).scheme not in {"mailto", "https", "http"}:
    raise ImproperlyConfigured("SUPPORT_URL must be a mailto: or https: link")

# How many proxies of ours append to X-Forwarded-For. Zero trusts nobody's header.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None

# --- Secrets -----------------------------------------------------------------------------------

SECRET_KEY = env.str("SECRET_KEY", default="")
if len(SECRET_KEY) < 32 or SECRET_KEY.startswith("django-insecure-"):
    raise ImproperlyConfigured(
        "SECRET_KEY must be 32 characters or more that nobody can guess. Make one with: "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
    )
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# --- Applications ------------------------------------------------------------------------------

INSTALLED_APPS = [
    "bottomline.apps.BottomlineConfig",
    "invites",
    "accounts",
    "bottomline.outbox",
    "bottomline.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "bottomline.middleware.EveryAnswer",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bottomline.middleware.Refusals",
    "bottomline.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "bottomline.sessions.middleware.AuthenticationMiddleware",
    "bottomline.middleware.LoginRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
]

ROOT_URLCONF = "bottomline.urls"
WSGI_APPLICATION = "bottomline.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bottomline.context.site",
            ],
        },
    },
]

# --- Database ----------------------------------------------------------------------------------

DATABASES = {
    "default": {
        **env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'bottomline.sqlite3'}"),
        "CONN_HEALTH_CHECKS": True,
    }
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: a transaction that reads and then writes takes the lock first, instead of failing
    # half-way. FULL: a spent invite stays spent when the power goes.
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    database_options: dict[str, Any] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;",
    }
else:
    # Nothing may wait for ever: neither for a connection, nor a statement, nor a lock. A URL's own
    # ?options= comes instead, as a long migration needs.
    database_options = {
        # Fewer connections than the web server has threads. Whoever finds none in a second is told
        # to come back; and a pool that gives up early finds a database that is back at once.
        "pool": {"min_size": 0, "max_size": 16, "timeout": 1, "reconnect_timeout": 2},
        "connect_timeout": 2,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000",
    }
DATABASES["default"]["OPTIONS"] = database_options | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis -------------------------------------------------------------------------------------


def next_database(url: str, step: int) -> str:
    """The same Redis server, another of its numbered databases.

    django-redis keys its connection pools by URL alone, so every use needs one of its own.
    """
    if url.startswith("unix://"):
        path, _, number = url.partition("?db=")
        return f"{path}?db={int(number or 0) + step}"
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{int(parts.path.strip('/') or 0) + step}"))


REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
REDIS_CACHE_URL = env.str("REDIS_CACHE_URL", default=next_database(REDIS_URL, 1))


def redis_cache(url: str) -> dict[str, Any]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.DefaultClient",
            # A frozen server costs half a second, not five; pickle would make a write to Redis
            # a way to run code.
            "SOCKET_CONNECT_TIMEOUT": 0.3,
            "SOCKET_TIMEOUT": 0.5,
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        },
    }


CACHES = {"default": redis_cache(REDIS_CACHE_URL), "sessions": redis_cache(REDIS_URL)}
RATELIMIT_USE_CACHE = "default"

# --- Sessions and cookies ----------------------------------------------------------------------

COOKIE_PREFIX = "__Host-" if IS_HTTPS else ""  # browsers refuse the prefix over plain http

SESSION_ENGINE = "bottomline.sessions.store"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}session"
SESSION_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True

# Idle and absolute lifetimes (ASVS 7.1.1). Renewal never moves the absolute end.
SESSION_LIFETIME = timedelta(hours=24)
SESSION_IDLE = timedelta(minutes=60)
SESSION_REMEMBERED_LIFETIME = timedelta(days=14)
SESSION_REMEMBERED_IDLE = timedelta(days=7)
SESSION_STAFF_LIFETIME = timedelta(hours=8)
SESSION_STAFF_IDLE = timedelta(minutes=15)
SESSION_COOKIE_AGE = int(SESSION_LIFETIME.total_seconds())
SESSIONS_PER_USER = 20

# Tells a browser that has logged in before from strangers who try to.
DEVICE_COOKIE_NAME = f"{COOKIE_PREFIX}device"

CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrf"
CSRF_COOKIE_SECURE = IS_HTTPS
CSRF_COOKIE_HTTPONLY = True
# Lax on purpose: a form reached from a mail still finds its cookie.
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_AGE = None
CSRF_FAILURE_VIEW = "bottomline.views.csrf_failure"

MESSAGE_STORAGE = "bottomline.messages.SignedCookieStorage"

# --- People ------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.PermissionsBackend"]
PASSWORD_HASHERS = ["accounts.hashers.BoundedArgon2Hasher"]
# NIST 800-63B-4 asks for 15 where the password is the only factor.
PASSWORD_MIN_LENGTH = env.int("PASSWORD_MIN_LENGTH", default=15)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.password_validation.LengthValidator"},
    {"NAME": "accounts.password_validation.ContextValidator"},
    {"NAME": "accounts.password_validation.GuessableValidator"},
]
# As many hashes at once as there are cores for this process. Granian reads the same variable.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
HASHES_AT_ONCE = max(1, CORES // env.int("GRANIAN_WORKERS", default=1))
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/account/"

# --- Mail --------------------------------------------------------------------------------------

if env.str("EMAIL_URL", default=""):
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    # The library takes smtps for STARTTLS; everywhere else it means TLS from the first byte.
    EMAIL_CONFIG = env.email_url_config(env.str("EMAIL_URL").replace("smtps:", "smtp+ssl:", 1))
    EMAIL_HOST = EMAIL_CONFIG["EMAIL_HOST"]
    EMAIL_PORT = EMAIL_CONFIG["EMAIL_PORT"]
    EMAIL_HOST_USER = EMAIL_CONFIG["EMAIL_HOST_USER"]
    EMAIL_HOST_PASSWORD = EMAIL_CONFIG["EMAIL_HOST_PASSWORD"]
    EMAIL_USE_TLS = EMAIL_CONFIG.get("EMAIL_USE_TLS", False)
    EMAIL_USE_SSL = EMAIL_CONFIG.get("EMAIL_USE_SSL", False)
else:
    EMAIL_BACKEND = "bottomline.mailbox.EmailBackend"
EMAIL_TIMEOUT = 10  # Django's default waits for ever
MAILBOX_DIR = VAR_DIR / "mailbox"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"{SITE_NAME} <door@{SITE_HOST}>")
MAIL_DOMAIN = parseaddr(DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
if not MAIL_DOMAIN:
    raise ImproperlyConfigured(
        "DEFAULT_FROM_EMAIL must be an address, for example door@example.org"
    )

# --- Celery ------------------------------------------------------------------------------------


def broker_on(url: str) -> str:
    """A Redis URL in Celery's spelling, which has its own for Unix sockets."""
    return url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")


CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=broker_on(next_database(REDIS_URL, 2)))
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
# A task is acknowledged when it is done: a worker killed in the middle gives it back.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 300_000  # KiB
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "mail"
CELERY_BROKER_CONNECTION_TIMEOUT = 1
if CELERY_BROKER_URL.startswith("amqp"):
    CELERY_TASK_DEFAULT_QUEUE_TYPE = "quorum"
    CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "topic"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"confirm_publish": True}
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_connect_timeout": 1,
        "socket_timeout": 5,
        # Far above CELERY_TASK_TIME_LIMIT: a running task is never handed out a second time.
        "visibility_timeout": 600,
        # A broker frozen for a while leaks this lock for five minutes by default, and until it
        # ends nothing that a dead worker held is given to another.
        "unacked_mutex_expire": 10,
        "unacked_restore_throttle": 1,
    }

OUTBOX_SWEEP_EVERY = timedelta(seconds=env.int("OUTBOX_SWEEP_SECONDS", default=15))
CELERY_BEAT_SCHEDULE = {
    # Expires: after an outage of the broker one sweep is enough.
    "sweep the outbox": {
        "task": "bottomline.outbox.tasks.sweep",
        "schedule": OUTBOX_SWEEP_EVERY,
        "options": {"expires": OUTBOX_SWEEP_EVERY.total_seconds()},
    },
    "remove accounts nobody confirmed": {
        "task": "accounts.tasks.prune_unconfirmed",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3600},
    },
}

# --- HTTP --------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100

SECURE_HSTS_SECONDS = 63_072_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SILENCED_SYSTEM_CHECKS = [
    # security.W008: the proxy redirects pages to https; an application that also redirected
    # would send a form typed over plain http on its way instead of refusing it (ASVS 4.1.2).
    "security.W008",
    # django-ratelimit looks for a cache backend it knows by name; django-redis counts atomically.
    "django_ratelimit.W001",
]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; object-src 'none'"
)

# --- Static files ------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "bottomline.storage.HashedStaticFiles"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- Language and time -------------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

# --- Logs --------------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"secrets": {"()": "bottomline.logs.HideSecrets"}},
    "formatters": {
        "json": {"()": "bottomline.logs.JSONFormatter"},
        "line": {"()": "bottomline.logs.LineFormatter"},
    },
    "handlers": {
        "stdout": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "filters": ["secrets"],
            "formatter": "line" if DEBUG else "json",
        }
    },
    "root": {"handlers": ["stdout"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "propagate": True},
        # It would warn of every form with a mistake in it; faults it logs as errors.
        "django.request": {"level": "ERROR"},
        # It would report every sweep and repeat every task's arguments; we log what came of them.
        "celery": {"level": "WARNING"},
    },
}
