import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bottomline.settings")

django_application = get_wsgi_application()

from bottomline.sessions.gate import Gate  # noqa: E402  (settings are ready only now)

application = Gate(django_application)
