"""What we do whenever a worker begins, and around each task it runs."""

import logging

from celery.signals import task_postrun, task_prerun, worker_ready
from django.conf import settings

from bottomline import exposition, metrics, request_id

log = logging.getLogger(__name__)


@task_prerun.connect
def number_log_lines(task_id: str, **_: object) -> None:
    request_id.begin(task_id)


@task_postrun.connect
def count_task(task: object, state: str | None, **_: object) -> None:
    request_id.end()
    metrics.TASKS.labels(getattr(task, "name", ""), state or "").inc()


@worker_ready.connect
def serve_metrics(**_: object) -> None:
    if not (settings.METRICS_TOKEN and settings.METRICS_PORT):
        return
    try:
        exposition.serve(settings.METRICS_PORT)
    except OSError as error:
        # A worker that nobody can watch still delivers the mail.
        log.error("metrics.not_served", extra={"error": error.strerror})
