"""A pool of the stack whose videos a reference GPU server makes, which renders nothing and so costs next to nothing."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.stack import Stack
from tests.gpu import FakeGpu

# Workers and web processes learn of a new pool within a few seconds.
_LEARNED: Final = 5.0


@contextmanager
def added(
    stack: Stack, *, model: str, slots: int, speed: float, jitter: float, polls_per_second: int
) -> Iterator[None]:
    """Start the server and add its pool, named like its model; `speed` is seconds of work for a second of video."""
    with FakeGpu(dialect="sglang", slots=slots, speed=speed, jitter=jitter) as gpu:
        stack.running.manage(
            *("add_pool", "--name", model, "--driver", "openai_videos", "--profile", "sglang"),
            *("--url", gpu.url, "--slots", str(slots), "--models", model, "--no-test"),
            *("--polls-per-second", str(polls_per_second), "--speed", str(max(speed, 0.01))),
        )
        time.sleep(_LEARNED)
        yield
