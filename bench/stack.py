"""A stack of the benchmark's own: everything that runs in production runs, with accounts to load it from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import psycopg

from tests.stack import RunningStack

_KINDS: Final = ("postgres", "valkey", "web", "push", "core", "gpu-worker", "upkeep", "beat")
_TRIES: Final = 20
# What is shown beside each figure, so that nobody need ask what was switched off.
_TOLD: Final = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "huge_pages_status",
    "wal_level",
)


@dataclass(slots=True)
class Stack:
    """A running stack, keys of its accounts, and a way to its database."""

    running: RunningStack
    keys: list[str]
    database: str

    @property
    def url(self) -> str:
        """Give the address of the API."""
        return self.running.url

    def processor_seconds(self) -> dict[str, float]:
        """Give the processor time that each kind of process has used since it started."""
        return {kind: _seconds(self.running.pid_of(kind)) for kind in _KINDS}

    def ask(self, statement: str) -> tuple[object, ...]:
        """Give the one row of a statement."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row or ()

    def settings(self) -> dict[str, str]:
        """Give what the database was told about durability and memory."""
        return {name: str(self.ask(f"show {name}")[0]) for name in _TOLD}


@contextmanager
def started(*, accounts: int, tier: str = "internal", **environment: str) -> Iterator[Stack]:
    """Start everything with two web processes and so many accounts; stop it afterwards."""
    # Leases as they are in production: tests let them run out sooner.
    settings = {"LEASE_SECONDS": "30", "HEARTBEAT_SECONDS": "10", **environment}
    with RunningStack(WEB_WORKERS="2", LOG_LEVEL="WARNING", **settings) as running:
        file = running.data_dir / "keys"
        running.manage(
            "seed_accounts", "--count", str(accounts), "--tier", tier, "--keys-file", str(file)
        )
        yield Stack(
            running=running, keys=file.read_text().split(), database=_database(running.data_dir)
        )


def checked(stack: Stack) -> None:
    """Check every invariant. Raises RuntimeError with what is broken."""
    stack.running.manage("check_invariants")


def _database(data_dir: Path) -> str:
    lines = (data_dir / "run" / "env").read_text().splitlines()
    return (
        next(line for line in lines if line.startswith("DATABASE_URL=")).split("=", 1)[1].strip("'")
    )


def _seconds(pid: int) -> float:
    """Give what a process and those that it forked have used, those that ended included."""
    for _ in range(_TRIES):
        try:
            process = psutil.Process(pid)
            every = [process, *process.children(recursive=True)]
            # With what their ended children used, so that a backend that goes takes nothing with it.
            return float(sum(sum(one.cpu_times()[:4]) for one in every))
        except psutil.NoSuchProcess:
            # One that was forked has ended meanwhile: it is counted with what forked it now.
            continue
    raise SystemExit(f"The process {pid} is gone, so that its processor time is not known.")


def set_up(stack: Stack) -> None:
    """Let this process call the product's own functions on the stack's servers."""
    os.environ.update(
        environment(stack.running.data_dir), DJANGO_SETTINGS_MODULE="videogen.settings"
    )
    import django  # noqa: PLC0415 - the settings are known only now

    django.setup()


def environment(data_dir: Path) -> dict[str, str]:
    """Give the variables with which a program of its own reaches the stack's servers."""
    found = dict(os.environ)
    for line in (data_dir / "run" / "env").read_text().splitlines():
        name, _, value = line.partition("=")
        found[name] = value.strip("'")
    return found
