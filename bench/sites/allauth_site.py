"""A django-allauth site as its quickstart sets one up, with a page that says who is logged in."""

from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

from bench.sites import django_usual

django_usual.configure(
    "bench.sites.allauth_site",
    database=4,
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "allauth",
        "allauth.account",
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    AUTHENTICATION_BACKENDS=[
        "django.contrib.auth.backends.ModelBackend",
        "allauth.account.auth_backends.AuthenticationBackend",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    STATIC_URL="/static/",
)
application = get_wsgi_application()  # before allauth's addresses, which import its models


def home(request):
    if not request.user.is_authenticated:
        return HttpResponse("Nobody is logged in.", status=401)
    return HttpResponse(f"<!DOCTYPE html><title>Account</title><p>{request.user.username}")


urlpatterns = [path("home/", home), path("accounts/", include("allauth.urls"))]

if __name__ == "__main__":
    django_usual.prepare()
