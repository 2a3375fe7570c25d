"""The one-command stack: databases, migrations, demo accounts, every process; until Ctrl-C.

`python -m videogen.embedded.stack` is what bin/dev ends in.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import IO, Any, Final

from videogen import listening
from videogen.embedded import databases, demo, leftovers, places, processes
from videogen.embedded.faults import StartFailed
from videogen.embedded.follow import Follower
from videogen.embedded.processes import Program
from videogen.embedded.supervision import Supervisor
from videogen.embedded.watch import Watch, ready_file

ROOT: Final = Path(__file__).resolve().parent.parent.parent
_STEPS: Final = 6
# How long the databases and the processes may take to answer, seconds.
_DATABASE_PATIENCE: Final = 30.0
_PROCESS_PATIENCE: Final = 240.0
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
    _watch: Watch | None = None
    _holder: listening.Holder | None = None
    _environment: dict[str, str] = field(default_factory=dict)
    _lock: IO[str] | None = None
    # Sizes of the log files before this start: a complaint shows what came after.
    _logged_before: dict[Path, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Give the address of the pages and the API."""
        return os.environ.get("PUBLIC_URL") or f"http://{places.reachable(self.host)}:{self.port}"

    @property
    def _web_workers(self) -> int:
        return int(os.environ.get("WEB_WORKERS", "1"))

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

    def manage(self, arguments: Sequence[str]) -> int:
        """Run a management command beside the databases, and nothing else. Raises StartFailed where bin/dev runs."""
        places.prepare(self.data_dir)
        self._lock = places.locked(self.data_dir)
        try:
            leftovers.end(leftovers.of_stack(str(self.data_dir)))
            self._start_databases([])
            command = [sys.executable, "manage.py", *arguments]
            return subprocess.run(command, cwd=ROOT, env=self._environment, check=False).returncode
        finally:
            self._stop()

    def _start_databases(self, programs: Sequence[Program]) -> Supervisor:
        """Start the supervisor and the databases, and make the other programs known to it."""
        servers = databases.of_machine(self.data_dir)
        self._environment |= servers.addresses
        self._environment |= self._settings()
        supervisor = Supervisor(self.data_dir, places.runtime_dir(self.data_dir))
        self._supervisor = supervisor
        supervisor.start([*servers.programs, *programs], environment=self._environment)
        for name, is_ready in servers.waits:
            self._wait(name, is_ready, patience=_DATABASE_PATIENCE)
        return supervisor

    def _start(self) -> dict[str, Any]:
        with self._doing("Checking folder and ports"):
            places.prepare(self.data_dir)
            self._lock = places.locked(self.data_dir)
            leftovers.end(leftovers.of_stack(str(self.data_dir)))
            self._check_ports()
            self._hold_ports()
            demo.remove(self.data_dir)
            logs = (self.data_dir / "log").glob("*.log")
            self._logged_before = {path: path.stat().st_size for path in logs}
        with self._doing("Starting PostgreSQL and Valkey"):
            programs = self._programs()
            supervisor = self._start_databases(programs)
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

    def _programs(self) -> list[Program]:
        return processes.of_application(
            host=self.host,
            port=self.port,
            push_port=self.push_port,
            web_workers=self._web_workers,
            web_threads=int(os.environ.get("WEB_THREADS", "8")),
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
            # Any 32 bytes are a key of its curve.
            "VAPID_PRIVATE_KEY": os.environ.get("VAPID_PRIVATE_KEY")
            or places.secret(self.data_dir, "vapid_key", size=32),
            "EMAIL_URL": os.environ.get("EMAIL_URL") or f"file:{self.data_dir / 'mail'}",
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
            "SOCKETS_FROM": str(self._holder.path) if self._holder else "",
            "PROBED_URLS": processes.live_addresses(self._programs()),
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
            cwd=ROOT,
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
            return ready_file(self.data_dir, program).exists()
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

    def _check_ports(self) -> None:
        wanted = {"PORT": self.port, "PUSH_PORT": self.push_port, "METRICS_PORT": self.metrics_port}
        for name, number in wanted.items():
            if not places.is_free(self.host, number):
                raise StartFailed(
                    f"Port {number} ({name}) is in use. Choose another one: PORT=9000 bin/dev"
                )

    def _hold_ports(self) -> None:
        """Listen for web and push before they run and while they are started anew."""
        try:
            held = {
                "web": listening.bound(self.host, self.port, count=self._web_workers),
                "push": listening.bound(self.host, self.push_port),
            }
        except OSError as error:
            raise StartFailed(
                f"Port {self.port} or {self.push_port} cannot be listened on ({error.strerror}). "
                "Choose another one: PORT=9000 bin/dev"
            ) from None
        self._holder = listening.Holder(places.runtime_dir(self.data_dir) / "l.sock", held)
        self._holder.start()

    def _follow(self) -> int:
        follower = Follower(self.data_dir / "log")
        if self._supervisor is not None:
            self._watch = Watch(supervisor=self._supervisor, programs=self._programs())
            self._watch.start()
        while not self._stopping:
            self._complain_about_the_dead()
            follower.follow_a_while(is_over=lambda: self._stopping)
        return 0

    def _stop(self) -> None:
        if self._lock is None:
            return
        self._stopping = True
        if self._watch is not None:
            self._watch.stop()
        demo.remove(self.data_dir)
        if self._holder is not None:
            self._holder.stop()
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


def main() -> int:
    """Read the environment and run the stack. Arguments are refused; `--help` tells of the variables."""
    argparse.ArgumentParser(
        prog="bin/dev",
        description="Start everything on this machine and follow the logs; Ctrl-C stops it all.",
        epilog="Set by the environment: HOST, PORT, PUSH_PORT, METRICS_PORT, DATA_DIR, DATABASE_URL, REDIS_URL.",
    ).parse_args()
    try:
        stack = of_environment()
    except StartFailed as failure:
        print(f"bin/dev: {failure}", file=sys.stderr)
        return 1
    os.chdir(ROOT)
    return stack.run()


def of_environment() -> Stack:
    """Make the stack that the variables describe. Raises StartFailed."""
    port = places.chosen_port("PORT", 8000)
    return Stack(
        data_dir=Path(os.environ.get("DATA_DIR") or ROOT / ".data").resolve(),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=port,
        push_port=places.chosen_port("PUSH_PORT", port + 1),
        metrics_port=places.chosen_port("METRICS_PORT", port + 2),
    )


if __name__ == "__main__":
    sys.exit(main())
