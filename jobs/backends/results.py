"""Which addresses of finished videos are shown to owners: a server's word is not enough."""

from typing import Final
from urllib.parse import SplitResult, urlsplit

from jobs.backends.backend import Site

_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 2000


def allowed(url: str, site: Site) -> bool:
    """Tell whether a video may be at this address: on the site's own, or on one of its result hosts."""
    parts = _parts(url)
    if parts is None:
        return False
    own = _parts(site.url)
    if own is not None and _place(parts) == _place(own):
        return True
    host = (parts.hostname or "").rstrip(".")
    return any(_is_of(host, wanted.lower()) for wanted in site.result_hosts)


def _parts(url: str) -> SplitResult | None:
    # What browsers read otherwise than Python does is refused: blanks, controls, backslashes.
    if len(url) > _LONGEST or not url.isprintable() or {" ", "\\"} & set(url):
        return None
    try:
        parts = urlsplit(url)
        # Read here, because a bad port raises only when it is asked for.
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    has_user = "@" in parts.netloc
    return parts if is_whole and parts.scheme in _PORTS and not has_user else None


def _place(parts: SplitResult) -> tuple[str, int]:
    return (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]


def _is_of(host: str, wanted: str) -> bool:
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and host != wanted[1:]
    return host == wanted
