import os
import sys

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bottomline.settings")

django_application = get_wsgi_application()

from bottomline.exposition import Counted, Exposition, State  # noqa: E402  (models are ready only now)
from bottomline.sessions.gate import Gate  # noqa: E402  (so are those it reads)

# Whoever computes in Python gives way to the next after a millisecond instead of five: a member's
# question does not wait behind several logins.
sys.setswitchinterval(0.001)
application = Gate(Exposition(django_application, Counted(), State()))
