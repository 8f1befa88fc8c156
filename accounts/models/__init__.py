from accounts.models.token import Purpose, Token
from accounts.models.user import User

__all__ = ["Purpose", "Token", "User"]
