"""The stack on which faults are caused: its database, its processes, its API."""

import json
import shlex
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import psycopg

from proofs.alerts.prometheus import Prometheus, watching
from tests.stack import RunningStack

# A busy machine takes its time.
_PATIENCE: Final = 240.0
_TIMEOUT: Final = 10.0


class Place:
    """What faults need of a running stack."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self._prometheus: Prometheus | None = None
        lines = (stack.data_dir / "run" / "env").read_text().splitlines()
        environment = dict(shlex.split(line)[0].split("=", 1) for line in lines)
        self.database = environment["DATABASE_URL"]
        self.redis = environment["REDIS_URL"]
        self.metrics = f"127.0.0.1:{environment['METRICS_PORT']}"

    @contextmanager
    def watched(self, *, pace: float | None = None) -> Iterator[Prometheus]:
        """Let a Prometheus watch it."""
        with watching(self.metrics, pace=pace) as prometheus:
            self._prometheus = prometheus
            yield prometheus

    def value(self, expression: str) -> float | None:
        """Give what Prometheus finds for an expression."""
        if self._prometheus is None:
            raise RuntimeError("No Prometheus watches this stack.")
        return self._prometheus.value(expression)

    def wait_for_value(self, expression: str, least: float) -> None:
        """Wait until an expression has at least this value."""
        until(lambda: (self.value(expression) or 0.0) >= least, f"{expression} >= {least:g}")

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement; give its rows, if it has any."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            found = connection.execute(statement.encode(), values)
            return found.fetchall() if found.description else []

    @contextmanager
    def holding(self, statement: str, *values: object) -> Iterator[None]:
        """Hold a transaction open that ran a statement."""
        with psycopg.connect(self.database) as connection:
            connection.execute(statement.encode(), values)
            try:
                yield
            finally:
                connection.rollback()

    @contextmanager
    def session(self) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
        """Give a session that stays open: what it locks is locked until the end."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            yield lambda statement: connection.execute(statement.encode()).fetchall()

    @contextmanager
    def setting(self, table: str, column: str, value: object, *, where: str) -> Iterator[None]:
        """Have another value in a column, and the old one again afterwards."""
        ((before,),) = self.sql(f"select {column} from {table} where {where}")
        self.sql(f"update {table} set {column} = %s where {where}", value)
        try:
            yield
        finally:
            self.sql(f"update {table} set {column} = %s where {where}", before)

    def processes(self, program: str) -> list[psutil.Process]:
        """Give a program's process and its children; none while it does not run."""
        pid = self.stack.pid_of(program)
        if not pid:
            return []
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            return [process, *process.children(recursive=True)]
        return []

    def signal(self, program: str, number: signal.Signals) -> None:
        """Send a signal to a program and its children."""
        for process in self.processes(program):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    @contextmanager
    def stopped(self, *programs: str) -> Iterator[None]:
        """Let programs hang."""
        for program in programs:
            self.signal(program, signal.SIGSTOP)
        try:
            yield
        finally:
            for program in programs:
                self.signal(program, signal.SIGCONT)

    def submit(self, tier: str, count: int = 1, **body: object) -> list[int]:
        """Submit jobs, for our own worker unless a model is named; give the statuses of the answers."""
        wanted = {"model": "preview", **body}
        return [
            self.call(tier, "jobs", {"prompt": f"A tide {at}", **wanted})[0] for at in range(count)
        ]

    def submit_all(self, tier: str, count: int = 1, **body: object) -> None:
        """Submit jobs that must be taken. Raises RuntimeError where one is not."""
        statuses = self.submit(tier, count, **body)
        if set(statuses) != {HTTPStatus.ACCEPTED}:
            raise RuntimeError(f"Jobs were not taken: {statuses}")

    def call(self, tier: str, path: str, body: object = None, *, key: str = "") -> tuple[int, Any]:
        """Call the native API with a tier's key or another; give status and body, 0 without an answer."""
        request = Request(
            f"{self.stack.url}/api/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {key or self.stack.account(tier)['api_key']}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urlopen(request, timeout=_TIMEOUT) as answer:
                return answer.status, json.load(answer)
        except HTTPError as refusal:
            with refusal:
                return refusal.code, {}
        except OSError:
            return 0, {}

    def wait_for_rows(self, count: int, statement: str, *values: object) -> None:
        """Wait until a statement gives at least so many rows."""
        until(lambda: len(self.sql(statement, *values)) >= count, statement)

    def cancel_waiting(self, tiers: Sequence[str]) -> None:
        """Cancel what still waits or runs for demo accounts."""
        for tier in tiers:
            email = self.stack.account(tier)["email"]
            rows = self.sql(
                "select job.id from job join account_user u on u.id = job.owner_id"
                " where u.email = %s and finished_at is null",
                email,
            )
            for (job_id,) in rows:
                self.call(tier, f"jobs/{job_id}/cancellation", {})


def until(holds: Callable[[], bool], what: str, *, patience: float = _PATIENCE) -> None:
    """Wait until something holds; say what did not."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {patience:g} s: {what}")
        time.sleep(0.1)
