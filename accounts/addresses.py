"""Mail addresses and user names in the one form that is stored, compared and counted."""

import re

import idna

EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3
LOCAL_LENGTH = 64  # RFC 5321, 4.5.3.1.1

# RFC 5322 dot-atom. Quoted local parts and address literals pass Django's validator, name other
# mailboxes than they seem to, and are used by nobody.
LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")

USERNAME_MIN, USERNAME_MAX = 3, 30
USERNAME = re.compile(r"[a-z](?:[._-]?[a-z0-9])+", re.IGNORECASE | re.ASCII)
RESERVED = frozenset(
    [
        "about",
        "abuse",
        "account",
        "accounts",
        "admin",
        "administrator",
        "api",
        "auth",
        "billing",
        "bottomline",
        "confirm",
        "contact",
        "door",
        "help",
        "hostmaster",
        "info",
        "invite",
        "invites",
        "login",
        "logout",
        "mail",
        "me",
        "moderator",
        "news",
        "nobody",
        "noreply",
        "null",
        "official",
        "owner",
        "people",
        "postmaster",
        "root",
        "security",
        "session",
        "settings",
        "signup",
        "staff",
        "status",
        "support",
        "system",
        "team",
        "thebottomline",
        "undefined",
        "user",
        "webmaster",
        "www",
    ]
)


class InvalidAddress(ValueError):
    """Not an address we can send to."""


class InvalidUsername(ValueError):
    """Not a name we can give; the text says why."""


def canonical_email(raw: str) -> str:
    """The one spelling of an address: trimmed, lower case, its domain in ASCII (ASVS 1.1.1).

    The local part is lowered too: in practice no two people share one but for its case. Dots and
    +tags stay, they belong to the owner. Non-ASCII local parts are refused: some of their letters
    fold to ASCII ones in a database and would reach another mailbox. Raises InvalidAddress.
    """
    if len(raw) > 2 * EMAIL_LENGTH:
        raise InvalidAddress
    local, at, domain = raw.strip().rpartition("@")
    if not at or not local.isascii():
        raise InvalidAddress
    local = local.lower()
    if len(local) > LOCAL_LENGTH or not LOCAL.fullmatch(local):
        raise InvalidAddress
    try:
        domain = idna.encode(domain.lower(), uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise InvalidAddress from None
    # A mail domain has a dot and does not end in a number, or it would be an address literal.
    if "." not in domain or domain.rpartition(".")[2].isdigit() or domain.endswith("."):
        raise InvalidAddress
    if len(local) + 1 + len(domain) > EMAIL_LENGTH:
        raise InvalidAddress
    return f"{local}@{domain}"


def mailbox(email: str) -> str:
    """Where a canonical address most likely arrives: without the +tag its owner gave it.

    Two addresses are still two, as canonical_email says. This is for asking whether one person
    may be behind both, where a wrong guess harms nobody.
    """
    local, _, domain = email.rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}"


def masked(email: str) -> str:
    """As much of an address as its owner knows it by: k***@example.net."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"


def require_username(raw: str) -> str:
    """The name as it will be shown. Raises InvalidUsername, which says what to change."""
    name = raw.strip()
    if not USERNAME_MIN <= len(name) <= USERNAME_MAX:
        raise InvalidUsername(f"Choose a name of {USERNAME_MIN} to {USERNAME_MAX} characters.")
    if not USERNAME.fullmatch(name):
        raise InvalidUsername(
            "Use the letters a to z, digits, and single dots, dashes or underscores between them. "
            "Start with a letter."
        )
    if username_key(name) in RESERVED_KEYS:
        raise InvalidUsername("That name is kept for the site itself. Choose another.")
    return name


def unlinked(name: str) -> str:
    """A username as no mail program makes a link of it: `login.evil.com` may be one.

    Still its owner's alone: what parts the letters does not count, see `username_key`.
    """
    return name.replace(".", "-")


def username_key(name: str) -> str:
    """What two names share if people would take one for the other.

    Case and separators do not count, and neither do the ASCII look-alikes of Unicode's UTS 39:
    1, l and I are one letter here, as are 0 and o, and rn and m.
    """
    bare = re.sub(r"[._-]", "", name.casefold())
    return bare.replace("rn", "m").translate(LOOK_ALIKES)


LOOK_ALIKES = str.maketrans("01i", "oll")
RESERVED_KEYS = frozenset(username_key(name) for name in RESERVED)
