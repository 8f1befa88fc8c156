from accounts.errors import Refusal


class InviteUnusable(Refusal):
    """Unknown, used, expired, revoked or for another address: one answer for all of them."""

    reason = "invite_unusable"
    message = "This invite can’t be used."
