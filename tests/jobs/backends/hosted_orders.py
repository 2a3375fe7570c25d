"""Orders for hosted services, and patience with them."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from jobs.backends.backend import AsynchronousBackend, Order, Sighting, Site
from jobs.ids import JobId, OwnerId
from tests.fake_gpu.receiver import Letter

QUICK = 0.02


def order_for(
    url: str, *, driver: str, site: Mapping[str, Any] | None = None, **more: Any
) -> Order:
    """Give an order of a job of its own."""
    return Order(
        **{
            "job_id": JobId(uuid.uuid4()),
            "owner_id": OwnerId(uuid.uuid4()),
            "attempt": 1,
            "prompt": "A lighthouse in the fog",
            "model": "fal-ai/wan",
            "seconds": 4,
            "width": 1280,
            "height": 720,
            "seed": None,
            "submitted_at": datetime.now(UTC),
            "site": Site(
                **{"pool": "hosted", "driver": driver, "profile": "", "url": url, **(site or {})}
            ),
            **more,
        }
    )


def placed(backend: AsynchronousBackend, order: Order) -> Order:
    """Submit an order, and give it as it is afterwards."""
    found = backend.submit(order)
    return replace(order, backend_job_id=found.backend_job_id, handle=found.handle)


def until(look: Callable[[], Sighting], *kinds: type[Sighting], patience: float = 8.0) -> Sighting:
    """Look until one of these is seen."""
    deadline = time.monotonic() + patience
    while not isinstance(seen := look(), kinds):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Still {seen}.")
        time.sleep(0.03)
    return seen


def spoiled(letter: Letter, header: str) -> dict[str, str]:
    """Give the headers with one that is another."""
    return {**letter.headers, header: "0" * len(letter.headers[header])}
