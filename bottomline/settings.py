"""Every setting, in sections. The environment is read here; `make run` fills in what is missing.

Each name may also be given as NAME_FILE, the path of a file that holds the value.
The defaults are those of production: without a secret key or a public address nothing starts.
"""

import os
import sys
from datetime import timedelta
from email.utils import parseaddr
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

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
IS_COMMAND = Path(sys.argv[0]).name == "manage.py"
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


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as browsers write them."""
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    port = f":{parts.port}" if parts.port not in {None, usual} else ""
    return f"{parts.scheme}://{host}{port}"


def is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


SITE_ORIGIN = origin_of(SITE_URL)
# A passkey is bound to the site's name, so there are none for a number; and browsers make them over
# https alone, or for the machine they run on.
HAS_PASSKEYS = not is_number(SITE_HOST) and (IS_HTTPS or SITE_HOST == "localhost")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[SITE_HOST, *(["localhost", "127.0.0.1", "[::1]"] if DEBUG else [])]
)
SUPPORT_URL = env.str("SUPPORT_URL", default=f"mailto:support@{SITE_HOST}")
if urlsplit(SUPPORT_URL).scheme not in {"mailto", "https", "http"}:
    raise ImproperlyConfigured("SUPPORT_URL must be a mailto: or https: link")

# How many proxies of ours append to X-Forwarded-For. Zero trusts nobody's header.
TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None

# The networks from which /admin/ is there, whatever else it asks; empty is anywhere.
try:
    ADMIN_NETWORKS = [ip_network(given) for given in env.list("ADMIN_NETWORKS", default=[])]
except ValueError as error:
    raise ImproperlyConfigured(
        f"ADMIN_NETWORKS must be networks, for example 192.0.2.0/24,2001:db8::/32: {error}"
    ) from error

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
    "bottomline.middleware.FetchMetadata",
    "bottomline.middleware.Refusals",
    "bottomline.middleware.AdminNetworks",
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
    from bottomline.database import BoundedConnection

    database_options = {
        # Fewer connections than the web server has threads. Whoever finds none in a second is told
        # to come back; and a pool that gives up early finds a database that is back at once.
        "pool": {"min_size": 0, "max_size": 16, "timeout": 1, "reconnect_timeout": 2},
        "connect_timeout": 2,
        "options": "-c statement_timeout=5000 -c lock_timeout=2000",
    }
    if not IS_COMMAND:  # one of which, a migration, may take as long as it needs
        database_options["pool"]["connection_class"] = BoundedConnection
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
            # More than a web process has threads (96): only a leak would ever reach it, and then
            # the answer is 503.
            "CONNECTION_POOL_KWARGS": {"max_connections": 100},
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        },
    }


CACHES = {"default": redis_cache(REDIS_CACHE_URL), "sessions": redis_cache(REDIS_URL)}

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

# Between the first factor and the second.
HALF_LOGIN_COOKIE_NAME = f"{COOKIE_PREFIX}half-login"
# What a browser has begun with a provider such as Google.
GOOGLE_COOKIE_NAME = f"{COOKIE_PREFIX}google"
# Which login by mail a browser has asked for, and by which way somebody logged in in it last.
MAILED_LOGIN_COOKIE_NAME = f"{COOKIE_PREFIX}login"
WAY_IN_COOKIE_NAME = f"{COOKIE_PREFIX}way"

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
    {"NAME": "accounts.password_validation.CommonValidator"},
    {"NAME": "accounts.password_validation.GuessableValidator"},
    {"NAME": "accounts.password_validation.BreachedValidator"},
]
# Who knows stolen passwords: the range API of Have I Been Pwned or one like it, the path of a file
# of SHA-1 hashes in order, or nobody.
BREACHED_PASSWORDS = env.str("BREACHED_PASSWORDS", default="")
# As many hashes at once as there are cores for this process. Granian reads the same variable.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
HASHES_AT_ONCE = max(1, CORES // env.int("GRANIAN_WORKERS", default=1))
# How much a browser works before it may sign up, ask for a mail, or go on failing to log in: to try
# half of 2**bits hashes.
PROOF_OF_WORK_BITS = env.int("PROOF_OF_WORK_BITS", default=18)
if not 1 <= PROOF_OF_WORK_BITS <= 24:
    raise ImproperlyConfigured("PROOF_OF_WORK_BITS must be from 1 to 24; each doubles the work")
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/account/"

# Logging in with Google, or with any other provider of OpenID Connect. Without an id there is no
# such way. What the provider says is believed of the issuer that the address of its discovery
# document names, and of no other.
GOOGLE_CLIENT_ID = env.str("GOOGLE_CLIENT_ID", default="")
GOOGLE_CLIENT_SECRET = env.str("GOOGLE_CLIENT_SECRET", default="")
GOOGLE_DISCOVERY_URL = env.str(
    "GOOGLE_DISCOVERY_URL", default="https://accounts.google.com/.well-known/openid-configuration"
)
GOOGLE_NAME = env.str("GOOGLE_NAME", default="Google")
if GOOGLE_CLIENT_ID and not GOOGLE_CLIENT_SECRET:
    raise ImproperlyConfigured("GOOGLE_CLIENT_ID needs its GOOGLE_CLIENT_SECRET")
if not (
    GOOGLE_DISCOVERY_URL.startswith("https://" if IS_HTTPS else ("https://", "http://"))
    and GOOGLE_DISCOVERY_URL.endswith("/.well-known/openid-configuration")
):
    raise ImproperlyConfigured(
        "GOOGLE_DISCOVERY_URL must be the https address of the provider's discovery document, "
        "which ends in /.well-known/openid-configuration"
    )

# How many people a member may invite: so many from the first day, and more for everybody who came
# in by them and has stayed for so long. Nothing is counted in a column, so a change holds at once.
INVITE_ALLOWANCE = env.int("INVITE_ALLOWANCE", default=5)
INVITE_EARNED = env.int("INVITE_EARNED", default=1)
INVITE_EARNED_AFTER_DAYS = env.int("INVITE_EARNED_AFTER_DAYS", default=30)
if min(INVITE_ALLOWANCE, INVITE_EARNED, INVITE_EARNED_AFTER_DAYS) < 0:
    raise ImproperlyConfigured("INVITE_ALLOWANCE and INVITE_EARNED… cannot be less than 0")

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
# Once, at once: only a publisher that tries again opens a new connection for one that was dropped.
CELERY_TASK_PUBLISH_RETRY = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
if CELERY_BROKER_URL.startswith("amqp"):
    QUEUE = {"exchange_type": "topic", "queue_arguments": {"x-queue-type": "quorum"}}
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {"confirm_publish": True}
else:
    QUEUE = {"exchange_type": "direct"}
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
# Somebody waits for a mail, so it has a queue and workers of its own. Everything else, and what is
# yet to be thought of, takes its turn in the other. A worker not told which takes from both.
CELERY_TASK_QUEUES = {name: QUEUE | {"exchange": name} for name in ("mail", "bulk")}
CELERY_TASK_DEFAULT_QUEUE = "bulk"
CELERY_TASK_ROUTES = {"bottomline.outbox.tasks.*": {"queue": "mail"}}

OUTBOX_SWEEP_EVERY = timedelta(seconds=env.int("OUTBOX_SWEEP_SECONDS", default=15))
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def every(interval: timedelta, task: str) -> dict[str, Any]:
    """A task by the clock. After an outage of the broker one run of it is enough: others expire."""
    expires = min(interval, HOUR).total_seconds()
    return {"task": task, "schedule": interval, "options": {"expires": expires}}


CELERY_BEAT_SCHEDULE = {
    "send what waits in the outbox": every(OUTBOX_SWEEP_EVERY, "bottomline.outbox.tasks.sweep"),
    "make the copies members asked for": every(MINUTE, "accounts.tasks.make_exports"),
    "end second factors that were lost": every(MINUTE, "accounts.tasks.finish_factor_resets"),
    "seal the security history": every(MINUTE, "accounts.tasks.seal_events"),
    "clean away what is over": every(HOUR, "bottomline.tasks.clean_all"),
    "delete pictures nobody shows": every(DAY, "accounts.tasks.prune_pictures"),
}

# --- HTTP --------------------------------------------------------------------------------------

DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
URL_SIZE = 4096  # path and query; the longest of ours is a login page's `next`
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
DATA_UPLOAD_MAX_NUMBER_FILES = 1
CSP_REPORT_PATH = "/csp-report/"
# What a body may weigh where that is not the size above: in the one form that carries a file two
# mebibytes and the rest of the form; in a browser's report. nginx has the same (site.conf).
BODY_SIZES = {
    "/account/profile/picture/": 2 * 1024 * 1024 + DATA_UPLOAD_MAX_MEMORY_SIZE,
    CSP_REPORT_PATH: 16 * 1024,
}
# How long a body may take to arrive. Longer than a proxy needs that waits for all of it first, as
# nginx does; one that does not hands on the pace of a phone.
BODY_SECONDS = env.int("BODY_SECONDS", default=20)
if BODY_SECONDS < 1:
    raise ImproperlyConfigured("BODY_SECONDS must be 1 or more")
# In memory alone: what is refused leaves nothing behind on a disk.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = max(BODY_SIZES.values())

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
]

# Browsers know the one or the other: bottomline/csp_reports.py.
CSP_REPORTING = f"report-to csp; report-uri {CSP_REPORT_PATH}"
REPORTING_ENDPOINTS = f'csp="{CSP_REPORT_PATH}"'
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; "
    f"frame-ancestors 'none'; base-uri 'none'; object-src 'none'; {CSP_REPORTING}"
)

# --- Static files ------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "bottomline.storage.HashedStaticFiles"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False

# --- Files of members --------------------------------------------------------------------------

# Pictures and exports. Served by views to whom they belong, never by a path.
MEDIA_ROOT = env.str("MEDIA_DIR", default=str(VAR_DIR / "media"))
# Or in a bucket: s3://name?endpoint=https://s3.example.org&region=eu-central-1, with credentials
# where boto3 looks for them.
STORAGE_URL = env.str("STORAGE_URL", default="")
if STORAGE_URL:
    BUCKET = urlsplit(STORAGE_URL)
    if BUCKET.scheme != "s3" or not BUCKET.netloc:
        raise ImproperlyConfigured("STORAGE_URL must name a bucket, for example s3://members")
    BUCKET_OPTIONS = dict(parse_qsl(BUCKET.query))
    STORAGES["default"] = {
        "BACKEND": "bottomline.bucket.Bucket",
        "OPTIONS": {
            "bucket_name": BUCKET.netloc,
            "endpoint_url": BUCKET_OPTIONS.get("endpoint"),
            "region_name": BUCKET_OPTIONS.get("region"),
        },
    }
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700

# --- Language and time -------------------------------------------------------------------------

# Pages are English. Mails are written in the language their reader has chosen; Django's own words
# for months and days come with it.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Metrics -----------------------------------------------------------------------------------

# Whoever gives it is shown /metrics; where it is not set there is no such page.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
if METRICS_TOKEN and len(METRICS_TOKEN) < 32:
    raise ImproperlyConfigured("METRICS_TOKEN must be 32 characters or more that nobody can guess")
# Where the processes of one machine keep what they count, so that any of them answers for all.
METRICS_DIR = env.str("METRICS_DIR", default=str(VAR_DIR / "metrics"))
# Not a command: one process after another, each of which would leave files there.
if METRICS_TOKEN and not IS_COMMAND:
    try:
        Path(METRICS_DIR).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"METRICS_DIR cannot be made: {error}") from error
    # Here, because prometheus-client looks for it when it is loaded, by whomever.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_DIR
# Where a worker on a machine of its own answers /metrics itself.
METRICS_PORT = env.int("METRICS_PORT", default=0)

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
            # What a command prints is its answer, which a script reads; a server prints its log.
            "stream": "ext://sys.stderr" if IS_COMMAND else "ext://sys.stdout",
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
        # It would name the page that a refused form came from; `csrf.refused` says what it may.
        "django.security.csrf": {"level": "ERROR"},
        # It would report every sweep and repeat every task's arguments; we log what came of them.
        "celery": {"level": "WARNING"},
    },
}
