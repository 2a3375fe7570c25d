"""Which addresses belong to the public internet, judged on the number that will be connected to.

Python's `is_global` says yes to addresses that carry private ones (NAT64, 6to4), to multicast, and, depending on
its version, to more. Here an address is public when no registry entry speaks against it and whatever it carries is
public too (IANA special-purpose address registries; RFC 6890, 6052, 8215).
"""

from collections.abc import Sequence
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

Network = IPv4Network | IPv6Network

_DENIED: Final[tuple[Network, ...]] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; also the metadata address of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's host agent, on a public number
        "169.254.0.0/16",  # link-local; the metadata address of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, and IPv4-compatible
        "64:ff9b:1::/48",  # NAT64 of a network of its own
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",  # Teredo, benchmarks, ORCHID and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",  # multicast
    )
)
_UNICAST: Final = IPv6Network("2000::/3")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_TRANSLATED: Final = (IPv6Network("::ffff:0:0:0/96"), IPv6Network("64:ff9b::/96"))
# The middle of the interface part of an ISATAP address, behind which an IPv4 address follows.
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)


def is_public(address: str) -> bool:
    """Say whether a numeric address is on the public internet."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv4Address):
        return found.is_global and not any(found in net for net in _DENIED if net.version == 4)  # noqa: PLR2004
    carried = _carried(found)
    if found in _MAPPED or any(found in net for net in _TRANSLATED):
        return carried is not None and is_public(str(carried))
    return (
        found in _UNICAST
        and found.is_global
        and not any(found in net for net in _DENIED if net.version == 6)  # noqa: PLR2004
        and (carried is None or is_public(str(carried)))
    )


def is_allowed(address: str, networks: Sequence[str]) -> bool:
    """Say whether a numeric address may be connected to: a public one, or one of networks named by the operators."""
    if is_public(address):
        return True
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return any((mapped or found) in network for network in _networks(tuple(networks)))


@cache
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


def _carried(address: IPv6Address) -> IPv4Address | None:
    """Give the IPv4 address that an IPv6 one stands for."""
    low = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _MAPPED or any(address in network for network in _TRANSLATED):
        return low
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return low
    return None
