from bottomline.cleaning import register_rows
from invites.models import Invite

register_rows("expired invites", Invite.objects.over)
