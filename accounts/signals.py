"""What others may wait for, and what must happen whoever does it."""

from uuid import UUID

from django.db.models.signals import post_delete
from django.dispatch import Signal, receiver

from accounts.events import SYSTEM, record
from accounts.models import User
from bottomline.afterwards import after_commit
from bottomline.outbox.mails import Mail
from bottomline.outbox.signals import mail_sent
from bottomline.pictures import store
from bottomline.sessions import index

# Sent once for each user, in the transaction that confirms them: a receiver that raises undoes it.
confirmed = Signal()
# Sent with `user`, in the transaction that erases a former member and before their row is locked:
# receivers forget what they keep of them, and whoever fails keeps everything as it was.
erasing = Signal()

# Sent with `user`: receivers return a services.export.Part with what else is the member's own.
exporting = Signal()


@receiver(post_delete, sender=User)
def end_sessions(instance: User, **_: object) -> None:
    after_commit(index.end_all, instance.pk)


@receiver(post_delete, sender=User)
def remove_picture(instance: User, **_: object) -> None:
    if instance.picture is not None:
        after_commit(store.remove, instance.picture)


@receiver(mail_sent)
def note_mail(mail: Mail, **_: object) -> None:
    """Keep which mail a member was sent; what it said and where it went are not kept."""
    if mail.about:
        record("mail.sent", caller=SYSTEM, user=UUID(mail.about), mail=mail.name)
