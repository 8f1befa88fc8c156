"""Who is calling: what a service may know of a request."""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

USER_AGENT_LENGTH = 256

# A Unix socket, or a proxy that wrote nonsense: one bucket for all such.
UNKNOWN = "0.0.0.0"  # noqa: S104  (nothing is bound to it)


@dataclass(frozen=True)
class Caller:
    """The far end of a request, in plain values, so that services need no request."""

    ip: str
    user_agent: str = ""
    device_cookie: str = ""

    @cached_property
    def network(self) -> str:
        """What limits count by: an IPv4 address, or the /64 a household of IPv6 shares."""
        address = ip_address(self.ip)
        if isinstance(address, IPv6Address):
            return str(ip_network((address, 64), strict=False).network_address)
        return self.ip


def caller_of(request: HttpRequest) -> Caller:
    return Caller(
        ip=client_ip(request),
        user_agent=request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH],
        device_cookie=request.COOKIES.get(settings.DEVICE_COOKIE_NAME, ""),
    )


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
