"""Finding a member by name, as other members may."""

from accounts.addresses import InvalidUsername, require_username, username_key
from accounts.models import FormerUsername, User


def find(username: str) -> User | None:
    """The member who has that name, in whatever case, or had it until lately.

    Not who has one that only looks like it: a link must not lead to somebody else than it says.
    """
    try:
        key = username_key(require_username(username))
    except InvalidUsername:
        return None
    person = User.objects.standing().filter(username_key=key).first()
    if person is not None and _is_same(person.username, username):
        return person
    former = FormerUsername.objects.held().filter(username_key=key).first()
    if former is not None and _is_same(former.username, username):
        return User.objects.standing().filter(pk=former.user_id).first()
    return None


def _is_same(name: str, written: str) -> bool:
    return name.casefold() == written.casefold()
