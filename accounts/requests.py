from accounts.models import User
from bottomline.sessions.request import Request


class MemberRequest(Request):
    """A request of somebody who is logged in, as every page is that says nothing else."""

    user: User
