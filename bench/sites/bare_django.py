"""Django with no middleware at all, answering a constant."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

from bench.sites.constant import BODY

settings.configure(SECRET_KEY="bench", ROOT_URLCONF=__name__, MIDDLEWARE=[], ALLOWED_HOSTS=["*"])


def constant(request):
    return HttpResponse(BODY, content_type="application/json")


urlpatterns = [path("", constant)]
application = get_wsgi_application()
