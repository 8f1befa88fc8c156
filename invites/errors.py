from accounts.errors import Refusal


class QuotaSpent(Refusal):
    """More people than the member may still invite; it says how many that is."""

    reason = "quota_spent"

    def __init__(self, left: int) -> None:
        super().__init__(_none_left() if left == 0 else _only(left))
        self.left = left


class InvitingPaused(Refusal):
    reason = "inviting_paused"
    message = "Inviting is paused for you. Write to us."


class OwnAddress(Refusal):
    reason = "own_address"
    message = "That is your own address. An invite is for somebody who is not a member yet."


class InviteUnusable(Refusal):
    """Unknown, used, expired or revoked: one answer for all of them."""

    reason = "invite_unusable"
    message = "This invite can’t be used."


class WrongAddress(Refusal):
    """Told to whoever has an invite for one address and typed another; never for which it is."""

    reason = "wrong_address"
    message = (
        "This invite is not for that address. Sign up with the one it was made for, or ask whoever "
        "invited you for another invite."
    )


def _none_left() -> str:
    return (
        "You have no invites left. One that nobody has used comes back to you when you revoke it "
        "or its time is over."
    )


def _only(left: int) -> str:
    people = "one more person" if left == 1 else f"{left} more people"
    return f"You can invite {people} now: set this to {left}{'' if left == 1 else ' or fewer'}."
