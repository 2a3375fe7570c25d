"""PostgreSQL and Valkey of this machine, each where the environment names no other."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from videogen.embedded import places, postgres, valkey
from videogen.embedded.processes import Program


@dataclass(slots=True)
class Databases:
    """What runs here, how to know that it is ready, and the variables with the addresses."""

    programs: list[Program] = field(default_factory=list)
    waits: list[tuple[str, Callable[[], bool]]] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)


def of_machine(data_dir: Path) -> Databases:
    """Prepare the servers that are to run here. Raises StartFailed."""
    found = Databases()
    if not os.environ.get("DATABASE_URL"):
        server = postgres.prepare(data_dir)
        found.addresses["DATABASE_URL"] = server.url
        found.programs.append(
            Program(
                name="postgres",
                command=tuple(server.command),
                priority=1,
                patience=20,
                stop_signal="INT",
                user=str(places.NOBODY) if places.is_root() else "",
                starts_by_itself=True,
            )
        )
        found.waits.append(("postgres", server.is_ready_with_database))
    if not os.environ.get("REDIS_URL"):
        broker = valkey.prepare(data_dir)
        found.addresses["REDIS_URL"] = broker.url
        found.programs.append(
            Program(
                name="valkey",
                command=tuple(broker.command),
                priority=2,
                starts_by_itself=True,
            )
        )
        found.waits.append(("valkey", broker.is_ready))
    return found
