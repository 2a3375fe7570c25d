"""What each of the programs of this folder measures in the same way: callers that enqueue, one call after the other.

The programs run in environments of their own, where nothing of ours is installed; this file needs nothing either.
"""

import asyncio
import json
import statistics
import threading
import time
from collections.abc import Awaitable, Callable


def by_threads(enqueue: Callable[[int], object], *, callers: int, seconds: float) -> list[float]:
    """Let so many threads enqueue for so long, after a second that does not count; give each call's seconds."""
    times: list[float] = []
    begin = time.perf_counter() + 1.0
    end = begin + seconds

    def call(caller: int) -> None:
        number = caller
        while (began := time.perf_counter()) < end:
            enqueue(number)
            if began >= begin:
                times.append(time.perf_counter() - began)
            number += callers

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


async def by_tasks(
    enqueue: Callable[[int], Awaitable[object]], *, callers: int, seconds: float
) -> list[float]:
    """Let so many tasks of one loop do the same."""
    times: list[float] = []
    begin = time.perf_counter() + 1.0
    end = begin + seconds

    async def call(caller: int) -> None:
        number = caller
        while (began := time.perf_counter()) < end:
            await enqueue(number)
            if began >= begin:
                times.append(time.perf_counter() - began)
            number += callers

    await asyncio.gather(*(call(caller) for caller in range(callers)))
    return times


def tell(times: list[float], *, seconds: float, **more: float) -> None:
    """Print the figures as JSON, the last line of output."""
    found = {
        "enqueued_per_s": len(times) / seconds,
        "p50_ms": statistics.median(times) * 1000,
        "p99_ms": statistics.quantiles(times, n=100, method="inclusive")[-1] * 1000,
    }
    print(json.dumps(found | more))
