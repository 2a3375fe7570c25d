"""Where finished videos may be shown from: the hosts of the pools' results, read from the pools, kept for a while."""

import re
import time
from typing import Final

from jobs.backends import registry
from jobs.models import Pool

# How long a process may go without a new pool's hosts, seconds.
_FRESH_FOR: Final = 10.0
# Pages carry them in a header.
_MOST: Final = 64
# A host, or any below one, with or without a port: what a policy can name, and nothing that could end it.
HOST: Final = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?::\d{1,5})?")

_cache: tuple[float, tuple[str, ...]] = (float("-inf"), ())


def hosts() -> tuple[str, ...]:
    """Give the hosts, at most ten seconds old."""
    global _cache  # noqa: PLW0603 - one value per process, replaced whole
    read_at, found = _cache
    if time.monotonic() - read_at > _FRESH_FOR:
        found = _read()
        _cache = (time.monotonic(), found)
    return found


def forget() -> None:
    """Read them again when they are asked for."""
    global _cache  # noqa: PLW0603
    _cache = (float("-inf"), ())


def _read() -> tuple[str, ...]:
    found: dict[str, None] = {}
    for driver, url, named in Pool.objects.values_list("driver", "url", "result_hosts"):
        own = url.partition("://")[2].partition("/")[0]
        for host in (*named, *registry.backend(driver).capabilities.result_hosts, own):
            if HOST.fullmatch(host):
                found[host] = None
    return tuple(found)[:_MOST]
