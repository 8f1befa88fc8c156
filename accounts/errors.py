"""Refusals of the accounts app: a `reason` for logs, a `message` for people."""

from datetime import datetime


class Refusal(Exception):
    """A rule said no. The message is a sentence that says what to do next."""

    reason = "refused"
    message = "That is not possible."

    def __init__(self, message: str = "") -> None:
        self.message = message or self.message
        super().__init__(self.message)


class BadCredentials(Refusal):
    """Wrong password, unknown, unconfirmed or closed account: one answer for all of them."""

    reason = "bad_credentials"
    message = (
        "That email address and password don’t match an account you can log in to. Check both, "
        "and that you have confirmed your address."
    )


class AccountBlocked(Refusal):
    """Told only to somebody who proved the password."""

    reason = "blocked"
    message = "This account is blocked."

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


class WeakPassword(Refusal):
    reason = "weak_password"


class UsernameTaken(Refusal):
    reason = "username_taken"
    message = "Somebody has that name, or one that looks like it. Choose another."


class TokenUnusable(Refusal):
    """Unknown, used, expired, somebody else's: one answer for all of them."""

    reason = "token_unusable"
    message = "This link can’t be used."
