"""When a delivery is tried again, when a target is left alone, and how much it is trusted with. Pure."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

# Each wait is stretched by up to this share, so that what failed together does not come back together.
JITTER: Final = 0.2
# A Retry-After is honoured up to a day.
_LONGEST_WISH: Final = 86_400.0
# Failures in a row after which a target is paused and then tried with one delivery only.
PATIENCE: Final = 3
# Pauses of a target, seconds, by failures beyond the patience; the last one stays.
PAUSES: Final = (15.0, 60.0, 300.0, 900.0)


def next_delay(
    delays: Sequence[float], *, tries: int, jitter: float, wish: float | None = None
) -> float | None:
    """Give the seconds until the next try after `tries` of them failed; None when it is given up.

    `jitter` is in [0, 1); `wish` is what the other side asked for, in seconds.
    """
    if tries > len(delays):
        return None
    delay = delays[tries - 1] * (1 + JITTER * jitter)
    return max(delay, min(wish or 0.0, _LONGEST_WISH))


def pause(failures: int, *, jitter: float) -> float:
    """Give the seconds for which a target that failed so often in a row gets nothing at all."""
    if failures < PATIENCE:
        return 0.0
    place = min(failures - PATIENCE, len(PAUSES) - 1)
    return PAUSES[place] * (1 + JITTER * jitter)


def at_once(limit: int, *, failures: int) -> int:
    """Give how many deliveries a target may have under way: one, while it fails."""
    return limit if failures < PATIENCE else 1


def seconds_asked(retry_after: str, *, now: datetime) -> float | None:
    """Read a Retry-After header: seconds or a date (RFC 9110, 10.2.3). None when it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), int(_LONGEST_WISH)))
    try:
        wanted = parsedate_to_datetime(text)
    except ValueError:
        return None
    if wanted.tzinfo is None:
        return None
    return min(max(0.0, (wanted - now).total_seconds()), _LONGEST_WISH)
