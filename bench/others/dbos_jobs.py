"""DBOS: workflows enqueued by one client, and carried out by one process. `CALLERS SECONDS LIVES`."""

import os
import sys
import time
from typing import Any
from urllib.parse import urlencode

from dbos import DBOS, DBOSClient, DBOSConfig
from psycopg.conninfo import conninfo_to_dict

from bench.others.reporting import by_threads, tell

# As often as it may ask; by default it asks once a second.
_ASKS_EVERY = 0.05


@DBOS.workflow(name="render")  # type: ignore[untyped-decorator]  # it is not installed here
def render(prompt: str, seconds: int) -> None:
    """Carry out nothing."""


def main(database: str, callers: int, seconds: float, lives: int) -> None:
    """Enqueue for so long on a queue that nobody serves, then carry out so many of another."""
    config: DBOSConfig = {
        "name": "others",
        "system_database_url": database,
        "run_admin_server": False,
        "log_level": "WARNING",
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue("lives", worker_concurrency=callers, polling_interval_sec=_ASKS_EVERY)
    client = DBOSClient(system_database_url=database, system_database_pool_size=callers)

    def enqueue(number: int, queue: str = "never served") -> Any:
        return client.enqueue(
            {"queue_name": queue, "workflow_name": "render"},
            f"A lighthouse at dusk, take {number}",
            4,
        )

    times = by_threads(enqueue, callers=callers, seconds=seconds)
    began = time.perf_counter()
    handles = [enqueue(number, "lives") for number in range(lives)]
    for handle in handles:
        handle.get_result()
    took = time.perf_counter() - began
    tell(times, seconds=seconds, lives_per_s=lives / took)
    DBOS.destroy()


def _address() -> str:
    """Give the database's address as SQLAlchemy reads it: a socket is no host there."""
    found = conninfo_to_dict(os.environ["DATABASE_URL"])
    where = urlencode({"host": found["host"], "port": found["port"]})
    return f"postgresql://{found['user']}:{found['password']}@/{found['dbname']}?{where}"


main(_address(), int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
