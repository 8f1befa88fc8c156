from celery import shared_task

from bottomline import cleaning


@shared_task
def clean(kind: str) -> None:
    cleaning.run(kind)


@shared_task
def clean_all() -> None:
    """Each kind as a task of its own: what fails, or takes long, holds up no other."""
    for each in cleaning.cleanings():
        clean.apply_async((each.kind,), expires=3600)
