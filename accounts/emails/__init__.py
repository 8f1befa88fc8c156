"""The mails of this app: each is promised, and composed when it is sent."""

from accounts.emails.closing import account_closing, account_erased, account_kept
from accounts.emails.composing import mail_to, nobody
from accounts.emails.email_change import (
    address_held,
    confirm_new_email,
    email_change_requested,
    email_changed,
    email_restored,
    email_taken_back,
)
from accounts.emails.email_confirmation import confirm_again, confirm_email
from accounts.emails.export import export_ready
from accounts.emails.factor_reset import (
    factor_reset_done,
    factor_reset_over,
    factor_reset_requested,
    factor_reset_soon,
    factor_reset_waits,
)
from accounts.emails.mailed_login import mailed_login
from accounts.emails.notices import (
    already_member,
    identity_linked,
    identity_unlinked,
    new_login,
    new_recovery_codes,
    passkey_added,
    passkey_copied,
    passkey_removed,
    password_changed,
    recovery_code_used,
    second_factor_off,
    second_factor_on,
    second_factor_refused,
    sessions_ended,
)
from accounts.emails.password_reset import reset_password
from accounts.emails.unlocking import login_paused

__all__ = [
    "account_closing",
    "account_erased",
    "account_kept",
    "address_held",
    "already_member",
    "confirm_again",
    "confirm_email",
    "confirm_new_email",
    "email_change_requested",
    "email_changed",
    "email_restored",
    "email_taken_back",
    "export_ready",
    "factor_reset_done",
    "factor_reset_over",
    "factor_reset_requested",
    "factor_reset_soon",
    "factor_reset_waits",
    "identity_linked",
    "identity_unlinked",
    "login_paused",
    "mail_to",
    "mailed_login",
    "new_login",
    "new_recovery_codes",
    "nobody",
    "passkey_added",
    "passkey_copied",
    "passkey_removed",
    "password_changed",
    "recovery_code_used",
    "reset_password",
    "second_factor_off",
    "second_factor_on",
    "second_factor_refused",
    "sessions_ended",
]
