"""Looks through a server's list for an order whose create was not answered."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from math import inf
from time import time
from typing import Any, Final

from jobs.backends.backend import BackendError, Order
from jobs.backends.http import Reply
from jobs.backends.openai_videos import reading, refusals
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

# Asks for the page after an id; "" for the first.
Ask = Callable[[str], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    # When each was created, by our clock; for ever in the future when it does not say.
    jobs: Sequence[tuple[float, Mapping[str, Any]]]
    is_last: bool

    def is_older_at_its_end(self, earliest: float) -> bool:
        """Tell whether a list that has its newest first holds nothing later from here on."""
        known = [at for at, _ in self.jobs if at < inf]
        return bool(known) and known[-1] < min(known[0], earliest)


def mark(order: Order) -> str:
    """Give what only this attempt sends as its model."""
    return f"{order.model}#{order.job_id.hex}-{order.attempt}"


def candidates(order: Order, profile: Profile, ask: Ask) -> tuple[str, ...]:
    """Give the ids that may be this order's, the nearest to its create first; () when it is not there.

    Raises BackendError when that cannot be told. A job that does not show what it was asked for is never
    taken for this order: it may be another owner's.
    """
    if order.submitted_at is None:
        return ()
    earliest = order.submitted_at.timestamp() - _EARLY_SECONDS
    recent: list[tuple[float, Mapping[str, Any]]] = []
    is_whole = False
    for page in _pages(ask):
        recent += [(at, job) for at, job in page.jobs if at >= earliest]
        is_whole = page.is_last or page.is_older_at_its_end(earliest)
        if is_whole:
            break
    answers = [(at, reading.identifier(job), _is_it(job, order, profile)) for at, job in recent]
    if found := sorted((at, known) for at, known, answer in answers if answer):
        return tuple(known for _, known in found)
    hidden = sum(answer is None for _, _, answer in answers)
    if hidden or not is_whole:
        kind = FailureKind.BACKEND_UNAVAILABLE
        detail = f"cannot tell whether it took the order: {hidden} jobs do not show their prompt"
        raise BackendError(kind, kind.sentence, detail=detail)
    return ()


def _pages(ask: Ask) -> Iterator[_Page]:
    after = ""
    for _ in range(_MOST_PAGES):
        reply = ask(after)
        body = reply.any_json()
        jobs = reading.entries(body)
        if not reply.is_ok or jobs is None:
            raise refusals.fault(reply)
        has_more = body.get("has_more") if isinstance(body, dict) else None
        skew = _skew(reply.headers)
        yield _Page(
            jobs=[(_created_at(job, skew), job) for job in jobs],
            # A page that does not say so, and is exactly full, may be cut off.
            is_last=has_more is False or (not has_more and len(jobs) != PAGE),
        )
        if not jobs:
            return
        after = reading.identifier(jobs[-1])


def _is_it(job: Mapping[str, Any], order: Order, profile: Profile) -> bool | None:
    """Tell whether a job is this order's; None when it does not show enough."""
    if profile.model is ModelField.MARKED:
        return bool(job.get("model") == mark(order))
    prompt = job.get("prompt")
    if not isinstance(prompt, str):
        return None
    is_model_told = profile.model is ModelField.SENT and isinstance(job.get("model"), str)
    is_size_told = isinstance(job.get("size"), str)
    return (
        prompt.strip() == order.prompt.strip()
        and (not is_model_told or job["model"] == order.model)
        and (not is_size_told or job["size"] == refusals.size(order))
    )


def _created_at(job: Mapping[str, Any], skew: float) -> float:
    found = reading.moment(job.get("created_at"))
    return inf if found is None else found - skew


def _skew(headers: Mapping[str, str]) -> float:
    try:
        skew = parsedate_to_datetime(headers["date"]).timestamp() - time()
    except (KeyError, ValueError, TypeError):
        return 0.0
    return skew if abs(skew) > _SMALL_SKEW else 0.0
