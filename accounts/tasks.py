from celery import shared_task

from accounts.services import members


@shared_task
def remove_unconfirmed() -> None:
    members.remove_unconfirmed()
