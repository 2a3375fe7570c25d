"""Reads a server's list, page by page, and looks there for an order whose create was not answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import inf
from operator import itemgetter
from time import time
from typing import Any, Final

from jobs.backends.backend import BackendError, Order
from jobs.backends.http import Reply, TooLarge
from jobs.backends.openai_videos import reading, refusals
from jobs.backends.openai_videos.identity import mark
from jobs.backends.openai_videos.profiles import ModelField, Profile
from jobs.failures import FailureKind

# The largest page that every one of these servers gives.
PAGE: Final = 100
# Longer lists are not read to their end: the order is not in sight then, and may still be there.
_MOST_PAGES: Final = 10
# Servers write whole seconds, rounded down.
_EARLY_SECONDS: Final = 2.0
# Clocks that differ by less are not worth correcting: `Date` has whole seconds too.
_SMALL_SKEW: Final = 2.0

# A server that has no such address, or no such method there.
_ABSENT: Final = frozenset({404, 405, 501})

# Asks for the page after an id; "" for the first.
Ask = Callable[[str], Reply]


class NoList(BackendError):
    """The server has no list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list."""

    # When each was created, by our clock; for ever in the future when it does not say.
    jobs: Sequence[tuple[float, Mapping[str, Any]]]
    is_last: bool

    def is_older_at_its_end(self, earliest: float) -> bool:
        """Tell whether a list that has its newest first holds nothing later from here on."""
        known = [at for at, _ in self.jobs if at < inf]
        return bool(known) and known[-1] < min(known[0], earliest)


def earliest(orders: Sequence[Order]) -> float:
    """Say since when a server may have these orders, in Unix seconds."""
    sent = [one.submitted_at.timestamp() if one.submitted_at else -inf for one in orders]
    return min(sent, default=-inf) - _EARLY_SECONDS


def candidates(order: Order, profile: Profile, ask: Ask) -> tuple[Mapping[str, Any], ...]:
    """Give the jobs that may be this order's, the nearest to its create first; () when it is not there.

    Raises BackendError when that cannot be told. A job that does not show what it was asked for is never
    taken for this order: it may be another owner's.
    """
    if order.submitted_at is None:
        return ()
    since = earliest([order])
    recent: list[tuple[float, Mapping[str, Any]]] = []
    is_whole = False
    for page in pages(ask, most=_MOST_PAGES):
        recent += [(at, job) for at, job in page.jobs if at >= since]
        is_whole = page.is_last or page.is_older_at_its_end(since)
        if is_whole:
            break
    answers = [(at, job, _is_it(at, job, order, profile)) for at, job in recent]
    if found := [(at, job) for at, job, answer in answers if answer]:
        return tuple(job for _, job in sorted(found, key=itemgetter(0)))
    hidden = sum(answer is None for _, _, answer in answers)
    if hidden or not is_whole:
        kind = FailureKind.BACKEND_UNAVAILABLE
        detail = f"cannot tell whether it took the order: {hidden} jobs do not show their prompt or their time"
        raise BackendError(kind, kind.sentence, detail=detail)
    return ()


def pages(ask: Ask, *, most: int) -> Iterator[Page]:
    """Read a list, so many pages at most. Raises NoList, BackendError."""
    after = ""
    for _ in range(most):
        reply = ask(after)
        if reply.status in _ABSENT:
            fault = refusals.fault(reply)
            raise NoList(fault.kind, fault.message, detail=fault.detail)
        body = reply.any_json()
        jobs = reading.entries(body)
        if not reply.is_ok or jobs is None:
            raise refusals.fault(reply)
        has_more = body.get("has_more") if isinstance(body, dict) else None
        skew = _skew(reply.headers)
        yield Page(
            jobs=[(_created_at(job, skew), job) for job in jobs],
            # A page that does not say so, and is exactly full, may be cut off.
            is_last=has_more is False or (not has_more and len(jobs) != PAGE),
        )
        before, after = after, reading.identifier(jobs[-1]) if jobs else ""
        # A server that does not read `after` gives its first page for ever.
        if after in {"", before}:
            return


def newest(ask: Ask, *, most: int, since: float) -> Iterator[Mapping[str, Any]]:
    """Give the jobs of a list that has its newest first, until they are older than `since`.

    Nothing where there is no list, or one that is too long to be read: each job can still be asked about.
    """
    try:
        for page in pages(ask, most=most):
            yield from (job for _, job in page.jobs)
            if page.is_last or page.is_older_at_its_end(since):
                return
    except NoList:
        return
    except BackendError as error:
        if not isinstance(error.__cause__, TooLarge):
            raise


def _is_it(at: float, job: Mapping[str, Any], order: Order, profile: Profile) -> bool | None:
    """Tell whether a job is this order's; None when it does not show enough."""
    if profile.model is ModelField.MARKED:
        return bool(job.get("model") == mark(order))
    prompt = job.get("prompt")
    if not isinstance(prompt, str):
        return None
    if prompt.strip() != order.prompt.strip() or not _fits(job, order, profile):
        return False
    # Without its time it may be one that was made of the same prompt long ago.
    return None if at == inf else True


def _fits(job: Mapping[str, Any], order: Order, profile: Profile) -> bool:
    """Tell whether what a job shows of its parameters, if anything, is what was ordered."""
    seconds, size, seed = _number(job.get("seconds")), job.get("size"), _number(job.get("seed"))
    is_model_told = profile.model is ModelField.SENT and isinstance(job.get("model"), str)
    is_seed_told = profile.takes_seed and order.seed is not None and seed is not None
    return (
        (not is_model_told or job["model"] == order.model)
        and (not isinstance(size, str) or size == refusals.size(order))
        and (seconds is None or seconds == order.seconds)
        and (not is_seed_told or seed == order.seed)
    )


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _created_at(job: Mapping[str, Any], skew: float) -> float:
    found = reading.moment(job.get("created_at"))
    return inf if found is None else found - skew


def _skew(headers: Mapping[str, str]) -> float:
    try:
        skew = parsedate_to_datetime(headers["date"]).timestamp() - time()
    except (KeyError, ValueError, TypeError):
        return 0.0
    return skew if abs(skew) > _SMALL_SKEW else 0.0
