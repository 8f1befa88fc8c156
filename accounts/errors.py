"""Refusals of the accounts app: a `reason` for logs, a `message` for people."""

from datetime import datetime

from bottomline.errors import CaptchaMissing, wait_in_words


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


class BadCode(Refusal):
    """Wrong, used, too late, too often tried, or not asked for here: one answer for all of them."""

    reason = "bad_code"
    message = (
        "That is not the code of a mail you asked for in this browser, or it is too old, or was "
        "tried too often. Check its eight digits, or ask for a new mail."
    )


class OtherBrowser(Refusal):
    """A link that is good, but not in this browser: another has asked for it."""

    reason = "other_browser"
    message = "This link works in the browser you asked in."


class BadReturn(Refusal):
    """Not the end of what this browser began with a provider: one answer, whatever is wrong."""

    message = "That did not work, and nothing has happened. Begin again."

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason  # a word of ours, for the log


class NotBegun(BadReturn):
    """Not begun in this browser at all; what it did begin goes on."""


class ProviderAway(Refusal):
    """A provider such as Google did not answer, or nothing that makes sense."""

    reason = "provider_away"


class NotLinked(Refusal):
    """Proved to a provider, but that opens no account here: one answer, whyever."""

    reason = "not_linked"


class IdentityTaken(Refusal):
    """Told to a member who has proved that the provider's account is theirs."""

    reason = "identity_taken"
    message = (
        "You are linked already, or another account here is with the one you have chosen there. "
        "Unlink it first, or choose another one."
    )


class WorkMissing(CaptchaMissing):
    """A try to log in that costs work by now came without; its password was not looked at."""

    @property
    def message(self) -> str:
        return (
            "There were several tries to log in, so your password was not looked at yet. Log in "
            "once more: while you type, your browser does the small computation that keeps robots "
            f"out. Without JavaScript, wait {wait_in_words(self.retry_after)}, or choose a new "
            "password by mail."
        )


class AccountBlocked(Refusal):
    """Told only to somebody who proved who they are."""

    reason = "blocked"
    message = "This account is blocked."

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


class SecondFactorNeeded(Refusal):
    """Who proved one factor and has two: the login goes on at `/login/verify/`."""

    reason = "second_factor_needed"


class WrongCode(Refusal):
    """Not the code of this moment, used already, or no recovery code that is good."""

    reason = "wrong_code"
    message = (
        "That code is not right, or was used before. Wait until the app shows the next one, or "
        "type a recovery code that you have not used."
    )


class BadPasskey(Refusal):
    """Unknown, somebody else's, made up, late, or used before: one answer for all of them."""

    reason = "bad_passkey"
    message = (
        "That passkey did not work: it is not known here, or it took too long. Try once more, or "
        "choose another way."
    )


class PasskeyCopied(BadPasskey):
    """It has been used less often than we have seen it: somewhere there may be a copy of it."""

    reason = "passkey_copied"


class PasskeyNotMade(Refusal):
    """What a browser sent is no new passkey for us, or one that is known here already."""

    reason = "passkey_not_made"
    message = (
        "That passkey could not be added: it took too long, or it is known here already. Try once "
        "more, perhaps on another device."
    )


class TooManyPasskeys(Refusal):
    reason = "too_many_passkeys"
    message = "You have as many passkeys as one can have. Remove one that you do not use first."


class BadBlock(Refusal):
    """Told to staff: a block has an end and a reason."""

    reason = "bad_block"


class NotApplicable(Refusal):
    """What was chosen makes no sense as things are: told to staff above all."""

    reason = "not_applicable"


class OwnersOnly(NotApplicable):
    """Told to staff who are no owners, of an owner."""

    reason = "owners_only"
    message = "An owner: only owners can do that to them."


class WrongPassword(Refusal):
    """Told to somebody who is logged in, of their own password."""

    reason = "wrong_password"
    message = "That is not your password. Type the one you log in with."


class ProofTooOld(Refusal):
    """Whoever asks has not proved who they are for a while: see services.reauth."""

    reason = "proof_too_old"
    message = "Prove that it is you first."


class TooManyProofs(Refusal):
    """Too many tries to prove it from somebody who is logged in; now they are not any more."""

    reason = "too_many_proofs"
    message = "That was too often. Log in again, or choose a new password."


class NoSuchSession(Refusal):
    """Ended, somebody else's, or made up: one answer for all of them."""

    reason = "no_such_session"
    message = "There is no such session."


class WrongName(Refusal):
    """What was typed to confirm a deletion is not the name of the account."""

    reason = "wrong_name"
    message = "That is not your username, so nothing was deleted. Type it as it stands above."


class LastWayIn(Refusal):
    """Without it the member could not log in any more."""

    reason = "last_way_in"
    message = (
        "That is your only way in, so nothing was changed: you would be locked out. Add another "
        "first, such as a password."
    )


class LastOwner(Refusal):
    """Without an owner nobody could look after the site any more."""

    reason = "last_owner"
    message = (
        "You are the only owner, so nothing was deleted. Make somebody else owner first: in the "
        "admin, open their account and tick “staff” and “superuser”."
    )


class ExportTooSoon(Refusal):
    """One copy of one's data at a time; `until` is when to ask for the next."""

    reason = "export_too_soon"
    message = "You asked for a copy not long ago. The page says when you can ask for the next."

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


class WeakPassword(Refusal):
    reason = "weak_password"


class UsernameTaken(Refusal):
    reason = "username_taken"
    message = "Somebody has that name, or one that looks like it. Choose another."


class UsernameChangedRecently(Refusal):
    """Names people know each other by should not change every day."""

    reason = "username_changed_recently"
    message = "You changed your username not long ago. The page says when you can do so again."


class SameAddress(Refusal):
    reason = "same_address"
    message = "That is your address already. Type the one you want to change to."


class AddressTaken(Refusal):
    """Told only to somebody who reads the mail of that address."""

    reason = "address_taken"
    message = (
        "Another account has this address by now. Log in to that, or ask for a new password for it."
    )


class TokenUnusable(Refusal):
    """Unknown, used, expired, somebody else's: one answer for all of them."""

    reason = "token_unusable"
    message = "This link can’t be used."
