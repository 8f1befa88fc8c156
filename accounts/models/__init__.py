from accounts.models.email_change import EmailChange, Holder, holder_of
from accounts.models.event import Event
from accounts.models.export import Export
from accounts.models.former_username import FormerUsername
from accounts.models.mailed_login import MailedLogin
from accounts.models.second_factor import RecoveryCode, Totp, TrustedBrowser
from accounts.models.token import Purpose, Token
from accounts.models.user import User

__all__ = [
    "EmailChange",
    "Event",
    "Export",
    "FormerUsername",
    "Holder",
    "MailedLogin",
    "Purpose",
    "RecoveryCode",
    "Token",
    "Totp",
    "TrustedBrowser",
    "User",
    "holder_of",
]
