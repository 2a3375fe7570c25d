"""Trying a pool's server for real: whether it is there and takes our key, our models, an order and a cancel.

Each request counts in the pool's budget and waits there for its turn. A pool that is not saved has none yet.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from jobs import budgets, orders, requests
from jobs.backends import registry
from jobs.backends.backend import (
    AsynchronousBackend,
    BackendError,
    Cancellation,
    Failed,
    Order,
    OverBudget,
    Site,
    StillWaiting,
    Unanswered,
    is_asynchronous,
)
from jobs.ids import JobId, OwnerId, new_job_id
from jobs.models import Pool
from notifications.sealing import CannotOpen

_PROMPT: Final = "Connection test. A grey card on a table."
# How long a server that still has the test in its line is waited for, seconds.
_PATIENCE: Final = 3.0
_BETWEEN_LOOKS: Final = 0.2
_STOPS: Final = {
    Cancellation.STOPPED: "It took a test order and stopped it again.",
    Cancellation.GOES_ON: "It took a test order. It cannot stop what runs: a cancelled job keeps its GPU busy to"
    " the end, and its slot is kept so long.",
    Cancellation.ENDED: "It took a test order, which ended before it could be stopped.",
    Cancellation.UNKNOWN: "It took a test order and did not know it any more when it was asked to stop.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried, in words for operators."""

    is_ok: bool
    sentence: str


def check(pool: Pool) -> Iterator[Finding]:
    """Try a pool step by step, and stop at what does not work. Writes nothing; may use a GPU for seconds."""
    try:
        site = orders.site_of(pool)
    except CannotOpen as error:
        yield Finding(is_ok=False, sentence=str(error))
        return
    backend = registry.backend(pool.driver)
    try:
        with budgets.asking(pool.name):
            health = backend.health(site)
    except (BackendError, OverBudget) as error:
        yield Finding(is_ok=False, sentence=_words(error))
        return
    yield Finding(
        is_ok=True, sentence="The server answers." if site.url else "The backend is here."
    )
    missing = [name for name in pool.model_names if health.models and name not in health.models]
    offered = ", ".join(health.models[:8])
    if missing and not health.checks_models:
        yield Finding(
            is_ok=True, sentence=f"It runs {offered}, offered here as {', '.join(missing)}."
        )
    elif missing:
        yield Finding(
            is_ok=False,
            sentence=f"It does not offer {', '.join(missing)}. It offers: {offered}.",
        )
        return
    if health.slots is not None and health.slots < pool.slots:
        yield Finding(
            is_ok=False,
            sentence=f"It runs {health.slots} at once, and this pool has {pool.slots} slots.",
        )
    if is_asynchronous(backend):
        yield from _order(backend, _test_order(pool, site))


def _order(backend: AsynchronousBackend, order: Order) -> Iterator[Finding]:
    # Nothing is given back within the block: whoever reads the findings asks servers of their own.
    try:
        with budgets.asking(order.site.pool):
            found = _tried(backend, order)
    except Unanswered as silence:
        found = Finding(is_ok=False, sentence=f"A test order was sent and not answered: {silence}")
    except (BackendError, OverBudget) as error:
        found = Finding(is_ok=False, sentence=_words(error))
    yield found


def _tried(backend: AsynchronousBackend, order: Order) -> Finding:
    submitted = backend.submit(order)
    order = replace(order, backend_job_id=submitted.backend_job_id, handle=submitted.handle)
    deadline = time.monotonic() + _PATIENCE
    while isinstance(sighting := backend.look(order), StillWaiting):
        if time.monotonic() > deadline:
            break
        time.sleep(_BETWEEN_LOOKS)
    if isinstance(sighting, Failed):
        return Finding(
            is_ok=False, sentence=f"A test order failed: {sighting.message} {sighting.detail}"
        )
    return Finding(is_ok=True, sentence=_STOPS[backend.cancel(order)])


def _test_order(pool: Pool, site: Site) -> Order:
    width, height = requests.sides(min(pool.sizes, key=_pixels))
    return Order(
        job_id=JobId(new_job_id()),
        owner_id=OwnerId(new_job_id()),
        attempt=1,
        prompt=_PROMPT,
        model=pool.model_names[0],
        seconds=min(pool.seconds),
        width=width,
        height=height,
        seed=1,
        site=site,
        submitted_at=datetime.now(UTC),
    )


def _pixels(size: str) -> int:
    width, height = requests.sides(size)
    return width * height


def _words(error: BackendError | OverBudget) -> str:
    if isinstance(error, OverBudget):
        return f"{error} It is asked too much already: try again, or raise its --polls-per-second."
    return f"{error.message} ({error.detail})" if error.detail else error.message
