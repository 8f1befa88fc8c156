from uuid import UUID

from celery import shared_task

from accounts.services import export, history, lost_factor, profile


@shared_task
def make_export(export_id: str) -> None:
    export.make(UUID(export_id))


# What follows is run by the clock: see CELERY_BEAT_SCHEDULE.


@shared_task
def make_exports() -> None:
    export.sweep()


@shared_task
def finish_factor_resets() -> None:
    lost_factor.sweep()


@shared_task
def seal_events() -> None:
    history.seal()


@shared_task
def prune_pictures() -> None:
    profile.prune_pictures()
