from accounts.models.email_change import EmailChange, Holder, holder_of
from accounts.models.event import Event
from accounts.models.export import Export
from accounts.models.factor_reset import FactorReset
from accounts.models.former_username import FormerUsername
from accounts.models.linked_identity import LinkedIdentity
from accounts.models.mailed_login import MailedLogin
from accounts.models.passkey import Passkey
from accounts.models.second_factor import RecoveryCode, Totp, TrustedBrowser
from accounts.models.token import Purpose, Token
from accounts.models.user import User

__all__ = [
    "EmailChange",
    "Event",
    "Export",
    "FactorReset",
    "FormerUsername",
    "Holder",
    "LinkedIdentity",
    "MailedLogin",
    "Passkey",
    "Purpose",
    "RecoveryCode",
    "Token",
    "Totp",
    "TrustedBrowser",
    "User",
    "holder_of",
]
