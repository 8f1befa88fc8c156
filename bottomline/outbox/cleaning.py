from bottomline.cleaning import register_rows
from bottomline.outbox.models import OutboxMessage

register_rows("finished mail", OutboxMessage.objects.over)
