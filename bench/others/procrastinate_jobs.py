"""Procrastinate: jobs deferred by one process, and carried out by one worker. `CALLERS SECONDS LIVES`."""

import asyncio
import os
import sys
import time
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.others.reporting import by_tasks, tell


async def main(database: str, callers: int, seconds: float, lives: int) -> None:
    """Defer for so long, forget those, then carry out so many."""
    app = App(connector=PsycopgConnector(conninfo=database, min_size=callers, max_size=callers))

    @app.task(name="render")  # type: ignore[untyped-decorator]  # it is not installed here
    async def render(prompt: str, seconds: int) -> None:
        pass

    async def defer(number: int) -> Any:
        return await render.defer_async(prompt=f"A lighthouse at dusk, take {number}", seconds=4)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        times = await by_tasks(defer, callers=callers, seconds=seconds)
        await app.connector.execute_query_async("truncate procrastinate_jobs cascade")
        for number in range(lives):
            await defer(number)
        began = time.perf_counter()
        await app.run_worker_async(
            concurrency=callers, wait=False, install_signal_handlers=False, listen_notify=False
        )
        took = time.perf_counter() - began
        left = await app.connector.execute_query_one_async(
            "select count(*) as jobs from procrastinate_jobs where status <> 'succeeded'"
        )
    if left["jobs"]:
        raise SystemExit(f"{left['jobs']} jobs were not carried out.")
    tell(times, seconds=seconds, lives_per_s=lives / took)


asyncio.run(
    main(os.environ["DATABASE_URL"], int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
)
