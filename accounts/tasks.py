from celery import shared_task

from accounts.services import members


@shared_task
def prune_unconfirmed() -> None:
    members.prune_unconfirmed()
