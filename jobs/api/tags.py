"""Tags of lists: the versions of their jobs and, where some wait, the second in which that was told.

What is said of waiting jobs (place, ranges) moves with the clock, and may be two seconds old. So a tag that is as
young, of the same versions, is answered 304 without reading a job; an older one, with the list anew.
"""

import re
import time
from typing import Final

# Seconds: the freshness of lists (docs/api.md).
_FRESH_FOR: Final = 2
_TIMED: Final = re.compile(r'"v([0-9a-f]+)(?:-([0-9]{1,12}))?"')


def make(versions: str, *, told_at: float | None) -> str:
    """Make the tag of a list; `versions` is a tag of what it depends on.

    `told_at` is as of when it tells of jobs that wait, seconds since the epoch; None where none does.
    """
    digest = versions.strip('"')
    return f'"v{digest}"' if told_at is None else f'"v{digest}-{int(told_at)}"'


def known(sent: str, versions: str, *, any_waits: bool) -> str | None:
    """Give the tag of `If-None-Match` that is of these versions and young enough; None to answer anew."""
    digest, now = versions.strip('"'), int(time.time())
    for tag in _TIMED.finditer(sent):
        is_young = tag[2] is not None and 0 <= now - int(tag[2]) < _FRESH_FOR
        if tag[1] == digest and (is_young or not any_waits):
            return tag[0]
    return None
