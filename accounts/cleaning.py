from accounts.models import (
    EmailChange,
    FactorReset,
    FormerUsername,
    MailedLogin,
    Token,
    Totp,
    TrustedBrowser,
)
from accounts.services import erasure, export, history, members
from bottomline.cleaning import register, register_rows
from bottomline.sessions import index

register_rows("expired tokens", Token.objects.over)
register_rows("logins by mail", MailedLogin.objects.over)
register_rows("addresses moved away from", EmailChange.objects.over)
register_rows("usernames held long enough", FormerUsername.objects.over)
register_rows("second factors nobody set up", Totp.objects.over)
register_rows("browsers trusted long enough", TrustedBrowser.objects.over)
register_rows("resets of second factors", FactorReset.objects.over)
register(
    "accounts nobody confirmed",
    count=lambda: members.unconfirmed().count(),
    clean=members.prune_unconfirmed,
)
register("accounts closed for good", count=erasure.count, clean=erasure.finish)
register("origins of events", count=history.count_origins, clean=history.forget_old_origins)
register("old events", count=history.count_old, clean=history.prune)
register("expired exports", count=export.count_over, clean=export.prune)
register("stale session indexes", count=index.count_stale, clean=index.drop_stale)
