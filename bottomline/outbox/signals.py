"""What others may listen to."""

from django.dispatch import Signal

# Sent with `mail`, once the mail server has taken it and that is noted.
mail_sent = Signal()
