"""Jobs as JSON, kept by their versions: one that did not change is not written again.

A job's version grows with every change that is shown, but for the percent of an attempt that runs, which its lease
knows; behind its id both are its stamp (`rows`), which names one text. The stamp of one that ended is how often it
changed since. What is said of one that waits moves with its line: it is kept until what is known of the line is two
seconds old.
Whose job it is, and whether it is still there, is asked of the database before a text is given.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from jobs.api.base import tag_of

# Bytes of JSON that a process keeps, and seconds: what was erased is not remembered for long.
_MOST: Final = 16 * 2**20
_MOST_TOLD: Final = 8 * 2**20
_LONGEST: Final = 600.0
# Seconds: how old what is known of a line may be where it is told (docs/api.md).
_TOLD_FOR: Final = 2.0
# Seconds: how long one that runs probably stays as it is.
_RUNS_FOR: Final = 1.0


class Text(NamedTuple):
    """A job's JSON, its tag, and as of when it is, on the monotonic clock."""

    json: bytes
    tag: str
    at: float


_lock: Final = threading.Lock()
_texts: Final[OrderedDict[str, Text]] = OrderedDict()
_size = 0
# Until when a text that is kept is probably what its job is, by the job's id.
_steady: Final[dict[str, float]] = {}
# What was said of waiting jobs, by when their lines were read.
_told: Final[dict[float, dict[str, Text]]] = {}
_told_size = 0


def is_steady(job_id: UUID) -> bool:
    """Tell whether a job is probably as it was when it was kept: then its stamp is all that need be asked for."""
    return _steady.get(str(job_id), 0.0) > time.monotonic()


def find(stamp: str) -> Text | None:
    """Give the text of a stamp, if it is known."""
    return find_each([stamp]).get(stamp)


def find_each(stamps: Iterable[str]) -> dict[str, Text]:
    """Give those texts that are known, by their stamps."""
    found = {}
    now = time.monotonic()
    with _lock:
        _forget_told(now)
        # What was read last comes last.
        told = [_told[read_at] for read_at in sorted(_told)]
        for stamp in stamps:
            text = _texts.get(stamp)
            if text is None:
                for texts in told:
                    if stamp in texts:
                        found[stamp] = texts[stamp]
            elif text.at > now - _LONGEST:
                _texts.move_to_end(stamp)
                found[stamp] = text
    return found


def of(json: bytes) -> Text:
    """Give a text with its tag, and keep nothing."""
    return Text(json, tag_of(json), time.monotonic())


def keep(stamp: str, json: bytes, *, is_over: bool = True) -> Text:
    """Keep the text of a job that does not wait, under its stamp; give it with its tag."""
    global _size  # noqa: PLW0603 - one size beside one table, both under the lock
    text = of(json)
    with _lock:
        _drop(stamp)
        _texts[stamp] = text
        _steady[_job_of(stamp)] = text.at + (_LONGEST if is_over else _RUNS_FOR)
        _size += len(json)
        while _size > _MOST:
            _drop(next(iter(_texts)))
    return text


def tell(stamp: str, json: bytes, *, read_at: float) -> Text:
    """Keep what is said of a job that waits; its line was read at that moment, on the monotonic clock."""
    global _told_size  # noqa: PLW0603 - as above
    text = Text(json, tag_of(json), read_at)
    with _lock:
        _forget_told(time.monotonic())
        if (known := _told.get(read_at, {}).get(stamp)) is not None:
            return known
        if _told_size + len(json) <= _MOST_TOLD:
            _told.setdefault(read_at, {})[stamp] = text
            _told_size += len(json)
            _steady[_job_of(stamp)] = read_at + _TOLD_FOR
    return text


def forget() -> None:
    """Write every job anew at its next reading."""
    global _size, _told_size  # noqa: PLW0603 - as above
    with _lock:
        _texts.clear()
        _told.clear()
        _steady.clear()
        _size = _told_size = 0


def _job_of(stamp: str) -> str:
    return stamp.partition(":")[0]


def _drop(stamp: str) -> None:
    global _size  # noqa: PLW0603 - as above
    if (known := _texts.pop(stamp, None)) is not None:
        _size -= len(known.json)
        _steady.pop(_job_of(stamp), None)


def _forget_told(now: float) -> None:
    global _told_size  # noqa: PLW0603 - as above
    for read_at in [one for one in _told if one <= now - _TOLD_FOR]:
        texts = _told.pop(read_at)
        _told_size -= sum(len(text.json) for text in texts.values())
        for stamp in texts:
            if _steady.get(_job_of(stamp), now) <= now:
                _steady.pop(_job_of(stamp), None)
