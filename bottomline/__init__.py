# Celery's tasks must find their application whoever imports Django first.
from bottomline.celery import app as celery_app

__all__ = ["celery_app"]
