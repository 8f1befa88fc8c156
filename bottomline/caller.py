"""Who is calling: what a service may know of a request."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

from bottomline.browsers import browser_of

USER_AGENT_LENGTH = 256

# A Unix socket, or a proxy that wrote nonsense: one bucket for all such.
UNKNOWN = "0.0.0.0"  # noqa: S104  (nothing is bound to it)


@dataclass(frozen=True)
class Caller:
    """The far end of a request, in plain values, so that services need no request."""

    ip: str
    user_agent: str = ""
    device_cookie: str = ""
    # When they last proved who they are, in this session and from where they are.
    proved_at: datetime | None = None

    @cached_property
    def where(self) -> str:
        """The browser and the network, as roughly as people tell them apart.

        What is proved in one place proves nothing in another.
        """
        return f"{browser_of(self.user_agent)}, {place_of(self.ip)}"

    @cached_property
    def network(self) -> str:
        """What limits count by: an IPv4 address, or the /64 a household of IPv6 shares."""
        address = ip_address(self.ip)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, 64), strict=False).network_address)
        return self.ip


def caller_of(request: HttpRequest) -> Caller:
    caller = Caller(
        ip=client_ip(request),
        user_agent=_printable(request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH]),
        device_cookie=request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""),
    )
    return replace(caller, proved_at=_proved_at(request, caller))


def place_of(ip: str) -> str:
    """The network an address is in, roughly: enough to know one's own, too little to find a house.

    192.0.2.0/24 or 2001:db8:1::/48 (ASVS 14.2.6); nothing for what is no address.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


def client_ip(request: HttpRequest) -> str:
    """The visitor's address as our outermost trusted proxy saw it.

    Each proxy appends the address it was called from, so with n proxies of ours the n-th value
    from the right is true and whatever stands left of it is the visitor's own invention
    (ASVS 4.1.3). A server bound to both families shows IPv4 visitors as ::ffff:a.b.c.d; left
    alone, a /64 would make one bucket of them all.
    """
    candidate = request.META.get("REMOTE_ADDR", "")
    hops = settings.TRUSTED_PROXY_COUNT
    if hops:
        header = request.META.get("HTTP_X_FORWARDED_FOR", "")
        forwarded = header.split(",") if header else []
        if len(forwarded) >= hops:
            candidate = forwarded[-hops]
    try:
        address = ip_address(candidate.strip())
    except ValueError:
        return UNKNOWN
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(address)


def _proved_at(request: HttpRequest, caller: Caller) -> datetime | None:
    """When, if it was where this caller is.

    Whoever carries a session's cookie off is asked for the password before anything that matters
    (ASVS 8.2.4), and so is a member on the way from one network to another.
    """
    # Only of a session that was read already: asking must not cost a visitor's page a round trip.
    meta = getattr(getattr(request, "session", None), "meta", None)
    return meta.proved if meta and meta.proved_where == caller.where else None


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(filter(str.isprintable, text))
