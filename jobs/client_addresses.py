"""Which address a request came from, when proxies stand in front, and what limits count by.

Every proxy adds the address that it was called from at the end of X-Forwarded-For. What stands before that is what the
client wrote itself, so only as many entries count as there are proxies of ours.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from django.conf import settings
from django.http import HttpRequest

# Somebody with one line has a /64, and may use another address of it for every request.
_OF_ONE_LINE: Final = 64

Address = IPv4Address | IPv6Address


def address_of(request: HttpRequest) -> str:
    """Give the client's address; that of the connection where the proxies did not tell it."""
    found = _told(request.META.get("HTTP_X_FORWARDED_FOR", ""), proxies=settings.TRUSTED_PROXIES)
    return str(found or _read(_direct(request)) or _direct(request))


def counted_as(request: HttpRequest) -> str:
    """Give what limits count by: the address, or the network of an IPv6 line."""
    text = address_of(request)
    found = _read(text)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _OF_ONE_LINE), strict=False))
    return text


def _direct(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _told(forwarded: str, *, proxies: int) -> Address | None:
    entries = forwarded.split(",")
    # Fewer entries than proxies: it did not come through all of them, and nothing of it can be believed.
    if proxies < 1 or len(entries) < proxies:
        return None
    return _read(entries[-proxies])


def _read(entry: str) -> Address | None:
    """Read one entry, with or without a port; an IPv4 address in IPv6's clothes is that IPv4 address."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        # A zone, as in fe80::1%eth0, means something on its own machine only.
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
