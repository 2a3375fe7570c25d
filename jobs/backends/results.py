"""Which addresses of results we show to owners, or fetch from: pure, and strict where parsers differ."""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import idna

from jobs.backends.backend import Site

_LONGEST: Final = 4096
_PORTS: Final = {"http": 80, "https": 443}
# Spaces, backslashes and what is not ASCII mean different things to different readers of addresses.
_PLAIN: Final = re.compile(r"[!-\[\]-~]+")


def allowed(url: str, site: Site) -> bool:
    """Tell whether a result may be at this address: the server's own, or a host of `site.result_hosts`.

    A host of the list may be reached at the usual ports, or at the port that the list names.
    A redirect is followed only by whoever streams a server's content, and only to what is allowed here.
    """
    place = _place_of(url)
    if place is None:
        return False
    return is_own(url, site) or any(_matches(entry, *place) for entry in site.result_hosts)


def is_own(url: str, site: Site) -> bool:
    """Tell whether an address is the server's own: the only place where our key may go."""
    place, own = _place_of(url), _split(site.url)
    return place is not None and own is not None and place == _place(own)


def _place_of(url: str) -> tuple[str, int] | None:
    found = _split(url) if len(url) <= _LONGEST and _PLAIN.fullmatch(url) else None
    place = None if found is None else _place(found)
    return place if place and place[0] else None


def _split(url: str) -> SplitResult | None:
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        return None
    has_credentials = "@" in found.netloc
    if found.scheme not in _PORTS or has_credentials or port == 0 or not found.hostname:
        return None
    return found


def _place(found: SplitResult) -> tuple[str, int]:
    return _host(found.hostname or ""), found.port or _PORTS[found.scheme]


def _host(name: str) -> str:
    """Give a host's one spelling; empty when it has none."""
    name = name.lower().removesuffix(".")
    if ":" in name:
        try:
            return ipaddress.IPv6Address(name).compressed if "%" not in name else ""
        except ValueError:
            return ""
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError:
            return ""
    is_whole = all(re.fullmatch(r"[a-z0-9_-]{1,63}", label) for label in name.split("."))
    return name if is_whole else ""


def _matches(entry: str, host: str, port: int) -> bool:
    below = entry.startswith("*.")
    name, named_port = _entry(entry.removeprefix("*."))
    ports = set(_PORTS.values()) if named_port is None else {named_port}
    if not name or port not in ports:
        return False
    return host.endswith(f".{name}") if below else host == name


def _entry(entry: str) -> tuple[str, int | None]:
    try:
        found = urlsplit(f"//{entry}")
        return _host(found.hostname or ""), found.port
    except ValueError:
        return "", None
