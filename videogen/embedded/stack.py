"""The one-command stack: databases, migrations, demo accounts, every process; until Ctrl-C.

`python -m videogen.embedded.stack` is what bin/dev ends in.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from videogen.embedded import demo, leftovers, places, postgres, processes, valkey
from videogen.embedded.faults import StartFailed
from videogen.embedded.follow import Follower
from videogen.embedded.processes import Program
from videogen.embedded.supervision import Supervisor

_ROOT: Final = Path(__file__).resolve().parent.parent.parent
_STEPS: Final = 6
_LAST_PORT: Final = 65_535
# How long the databases and the processes may take to answer, seconds.
_DATABASE_PATIENCE: Final = 30.0
_PROCESS_PATIENCE: Final = 90.0
_STOP_PATIENCE: Final = 45.0
# Signals closer together than this are one wish to stop, seconds.
_SAME_WISH: Final = 1.0


class Stopped(Exception):
    """Somebody asked to stop while starting."""


@dataclass(slots=True)
class Stack:
    """One running installation in one data folder."""

    data_dir: Path
    host: str
    port: int
    push_port: int
    metrics_port: int
    _step: int = 0
    _stopping: bool = False
    _stop_began: float = 0.0
    _supervisor: Supervisor | None = None
    _environment: dict[str, str] = field(default_factory=dict)
    _lock: IO[str] | None = None
    # Sizes of the log files before this start: a complaint shows what came after.
    _logged_before: dict[Path, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Give the address of the pages and the API."""
        return os.environ.get("PUBLIC_URL") or f"http://{places.reachable(self.host)}:{self.port}"

    @property
    def push_url(self) -> str:
        """Give the address of the push process."""
        return f"http://{places.reachable(self.host)}:{self.push_port}"

    def run(self) -> int:
        """Start, follow the logs until told to stop, stop. Gives the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            found = self._start()
            metrics_url = f"http://{places.reachable(self.host)}:{self.metrics_port}/metrics"
            demo.tell(self.data_dir, found, metrics_url=metrics_url)
            return self._follow()
        except StartFailed as failure:
            print(f"bin/dev: {failure}", file=sys.stderr, flush=True)
            return 1
        except Stopped:
            return 0
        finally:
            self._stop()

    def _start(self) -> dict[str, Any]:
        with self._doing("Checking folder and ports"):
            places.prepare(self.data_dir)
            self._take_lock()
            leftovers.end(leftovers.of_stack(str(self.data_dir)))
            self._check_ports()
            demo.remove(self.data_dir)
            logs = (self.data_dir / "log").glob("*.log")
            self._logged_before = {path: path.stat().st_size for path in logs}
        with self._doing("Starting PostgreSQL and Valkey"):
            databases, waits = self._databases()
            self._environment |= self._settings()
            programs = self._programs()
            supervisor = Supervisor(self.data_dir, places.runtime_dir(self.data_dir))
            self._supervisor = supervisor
            supervisor.start([*databases, *programs], environment=self._environment)
            for name, is_ready in waits:
                self._wait(name, is_ready, patience=_DATABASE_PATIENCE)
        with self._doing("Bringing the database up to date, demo accounts"):
            accounts = self._prepare_demo()
        with self._doing("Starting " + ", ".join(program.name for program in programs)):
            supervisor.start_programs([program.name for program in programs])
        with self._doing("Waiting until everything answers"):
            for program in programs:
                self._wait(
                    program.name,
                    partial(self._is_ready, program),
                    patience=_PROCESS_PATIENCE,
                )
        with self._doing("Writing demo.json"):
            found = {"url": self.url, "push_url": self.push_url, **accounts}
            demo.write(self.data_dir, found, environment=self._environment)
            return found

    def _databases(self) -> tuple[list[Program], list[tuple[str, Callable[[], bool]]]]:
        programs: list[Program] = []
        waits: list[tuple[str, Callable[[], bool]]] = []
        if not os.environ.get("DATABASE_URL"):
            server = postgres.prepare(self.data_dir)
            self._environment["DATABASE_URL"] = server.url
            programs.append(
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
            waits.append(("postgres", server.is_ready_with_database))
        if not os.environ.get("REDIS_URL"):
            broker = valkey.prepare(self.data_dir)
            self._environment["REDIS_URL"] = broker.url
            programs.append(
                Program(
                    name="valkey",
                    command=tuple(broker.command),
                    priority=2,
                    starts_by_itself=True,
                )
            )
            waits.append(("valkey", broker.is_ready))
        return programs, waits

    def _programs(self) -> list[Program]:
        return processes.of_application(
            host=self.host,
            port=self.port,
            push_port=self.push_port,
            web_workers=int(os.environ.get("WEB_WORKERS", "1")),
        )

    def _settings(self) -> dict[str, str]:
        metrics = self.data_dir / "run" / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir()
        return {
            **os.environ,
            **self._environment,
            leftovers.MARK: str(self.data_dir),
            "SECRET_KEY": os.environ.get("SECRET_KEY")
            or places.secret(self.data_dir, "secret_key"),
            "DATA_DIR": str(self.data_dir),
            "PUBLIC_URL": self.url,
            "PUSH_PORT": str(self.push_port),
            "METRICS_PORT": str(self.metrics_port),
            "METRICS_HOST": self.host,
            "ALLOWED_HOSTS": os.environ.get("ALLOWED_HOSTS") or f"127.0.0.1,localhost,{self.host}",
            "DEVELOPMENT": "1",
            # Webhooks may go to programs on this machine; mail goes into files.
            "OUTBOUND_ALLOWED_NETWORKS": os.environ.get(
                "OUTBOUND_ALLOWED_NETWORKS", "127.0.0.0/8,::1/128"
            ),
            "EMAIL_URL": os.environ.get("EMAIL_URL") or f"file:{self.data_dir / 'mail'}",
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "PYTHONUNBUFFERED": "1",
            # One allocation arena instead of one per thread: a third less memory at rest.
            "MALLOC_ARENA_MAX": "2",
        }

    def _prepare_demo(self) -> dict[str, Any]:
        made = subprocess.run(
            [sys.executable, "manage.py", "prepare_demo"],
            check=False,
            capture_output=True,
            text=True,
            cwd=_ROOT,
            env=self._environment,
            start_new_session=True,
        )
        if made.returncode:
            last = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StartFailed(f"The database could not be brought up to date: {last}")
        found: dict[str, Any] = json.loads(made.stdout.strip().splitlines()[-1])
        return found

    def _is_ready(self, program: Program) -> bool:
        if not program.probe:
            return (self.data_dir / "run" / f"{program.name}.ready").exists()
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(program.probe, timeout=2) as answer,  # noqa: S310 - our own
        ):
            return bool(answer.status == HTTPStatus.OK)
        return False

    def _wait(self, name: str, is_ready: Callable[[], bool], *, patience: float) -> None:
        deadline = time.monotonic() + patience
        while not is_ready():
            if self._stopping:
                raise Stopped
            self._complain_about_the_dead()
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{name} did not answer within {patience:.0f} s. Its last lines:\n"
                    + self._last_lines(name)
                )
            time.sleep(0.05)

    def _complain_about_the_dead(self) -> None:
        if self._supervisor is None or not self._supervisor.is_alive():
            raise StartFailed("The supervisor ended. Start bin/dev again.")
        for name, state in self._supervisor.states().items():
            if state == "FATAL":
                raise StartFailed(
                    f"{name} ends as soon as it starts. Its last lines:\n{self._last_lines(name)}"
                )

    def _last_lines(self, name: str, count: int = 12) -> str:
        with contextlib.suppress(OSError):
            path = self.data_dir / "log" / f"{name}.log"
            text = path.read_bytes()[self._logged_before.get(path, 0) :]
            lines = text.decode("utf-8", errors="replace").splitlines()[-count:]
            if lines:
                return "\n".join(f"    {line}" for line in lines)
        return "    (nothing was logged)"

    def _take_lock(self) -> None:
        lock = (self.data_dir / "run" / "stack.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise StartFailed(
                f"bin/dev already runs in {self.data_dir}. Stop it first, "
                "or start another one: DATA_DIR=/other/folder PORT=9000 bin/dev"
            ) from None
        self._lock = lock

    def _check_ports(self) -> None:
        wanted = {"PORT": self.port, "PUSH_PORT": self.push_port, "METRICS_PORT": self.metrics_port}
        for name, number in wanted.items():
            if not places.is_free(self.host, number):
                raise StartFailed(
                    f"Port {number} ({name}) is in use. Choose another one: PORT=9000 bin/dev"
                )

    def _follow(self) -> int:
        follower = Follower(self.data_dir / "log")
        while not self._stopping:
            follower.print_new()
            self._complain_about_the_dead()
            time.sleep(0.4)
        return 0

    def _stop(self) -> None:
        if self._lock is None:
            return
        self._stopping = True
        demo.remove(self.data_dir)
        if self._supervisor is not None:
            print("\nStopping ... (Ctrl-C again ends it by force)", flush=True)
            self._stop_began = time.monotonic()
            self._supervisor.stop(patience=_STOP_PATIENCE)
            demo.remove(self.data_dir)
            places.remove_runtime_dir(self.data_dir)
            print(f"Stopped in {time.monotonic() - self._stop_began:.1f} s.", flush=True)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        # One wish may arrive as two signals: to the process and to its group.
        if self._stop_began and time.monotonic() - self._stop_began > _SAME_WISH:
            leftovers.kill(leftovers.of_stack(str(self.data_dir)))

    @contextlib.contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        if self._stopping:
            raise Stopped
        self._step += 1
        print(f"[{self._step}/{_STEPS}] {what} ...", end="", flush=True)
        began = time.monotonic()
        try:
            yield
        except BaseException:
            print(flush=True)
            raise
        print(f" {time.monotonic() - began:.1f} s", flush=True)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdigit() or not 0 < int(text) <= _LAST_PORT:
        raise StartFailed(f"{name} must be a port number from 1 to 65535, not {text!r}.")
    return int(text)


def main() -> int:
    """Read the environment and run the stack."""
    try:
        port = _number("PORT", 8000)
        stack = Stack(
            data_dir=Path(os.environ.get("DATA_DIR") or _ROOT / ".data").resolve(),
            host=os.environ.get("HOST", "127.0.0.1"),
            port=port,
            push_port=_number("PUSH_PORT", port + 1),
            metrics_port=_number("METRICS_PORT", port + 2),
        )
    except StartFailed as failure:
        print(f"bin/dev: {failure}", file=sys.stderr)
        return 1
    os.chdir(_ROOT)
    return stack.run()


if __name__ == "__main__":
    sys.exit(main())
