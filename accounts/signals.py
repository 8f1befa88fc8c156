"""What must happen however a row goes away: through a service, the admin or the shell."""

from functools import partial

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from accounts.models import User
from bottomline.sessions import index


@receiver(post_delete, sender=User)
def end_sessions(instance: User, **_: object) -> None:
    transaction.on_commit(partial(index.end_all, instance.pk), robust=True)
