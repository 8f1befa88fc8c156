from uuid import UUID

from celery import shared_task

from bottomline.outbox import services


@shared_task
def deliver_message(message_id: str) -> None:
    services.deliver(UUID(message_id))


@shared_task
def sweep() -> None:
    services.sweep()
