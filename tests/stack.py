"""The whole stack of bin/dev in a folder and on ports of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from videogen.embedded import leftovers, places
from videogen.embedded.supervision import Supervisor

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE = 300.0
_SETTINGS = {
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "PUBLIC_URL",
    "PUSH_PORT",
    "METRICS_PORT",
    "DJANGO_SETTINGS_MODULE",
}


class RunningStack:
    """Starts, finds its processes, stops."""

    def __init__(self, **environment: str) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="videogen-stack-", dir="/tmp"))
        self.data_dir.chmod(0o755)
        self._environment = {
            **{key: value for key, value in os.environ.items() if key not in _SETTINGS},
            "DATA_DIR": str(self.data_dir),
            "PORT": str(three_free_ports()),
            "LEASE_SECONDS": "6",
            "HEARTBEAT_SECONDS": "2",
            # All browsers of all tests sign in from one address.
            "FLOOD_SIGN_INS_PER_MINUTE": "10000",
            **environment,
        }
        self.demo: dict[str, Any] = {}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill_everything()
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.remove()

    @property
    def url(self) -> str:
        return str(self.demo["url"])

    def account(self, tier: str) -> dict[str, str]:
        found: dict[str, str] = next(a for a in self.demo["accounts"] if a["tier"] == tier)
        return found

    def start(self) -> None:
        """Start everything and wait for demo.json; one of a killed run says nothing."""
        ready = self.data_dir / "demo.json"
        ready.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "videogen.embedded.stack"],
            cwd=ROOT,
            env=self._environment,
            stdout=(self.data_dir / "stack.out").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + _PATIENCE
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The stack did not start:\n{self.output()}")
            time.sleep(0.1)
        self.demo = json.loads(ready.read_text())

    def manage(self, *arguments: str) -> str:
        """Run `bin/manage` on this stack and give what it printed."""
        environment = {key: value for key, value in os.environ.items() if key not in _SETTINGS}
        result = subprocess.run(
            [ROOT / "bin" / "manage", *arguments],
            env={**environment, "DATA_DIR": str(self.data_dir)},
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(f"{arguments} failed:\n{result.stdout}{result.stderr}")
        return result.stdout

    def pid_of(self, program: str) -> int:
        """Give the process id of a supervised program."""
        supervisor = Supervisor(self.data_dir, places.runtime_dir(self.data_dir))
        return supervisor.pid_of(program)

    def output(self) -> str:
        return (self.data_dir / "stack.out").read_text()

    def kill_everything(self) -> None:
        """Kill -9 the parent, the supervisor and every process, as a power cut would."""
        found = leftovers.of_stack(str(self.data_dir))
        if self._process:
            self._process.kill()
            self._process.wait()
        for process in found:
            process.kill()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop as Ctrl-C or a service manager does; give the exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended; give the exit status."""
        if self._process is None:
            return 0
        status = self._process.wait(60)
        self._process = None
        return status

    def remove(self) -> None:
        shutil.rmtree(self.data_dir, ignore_errors=True)


def three_free_ports() -> int:
    """Find a port that is free, with the two after it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = int(probe.getsockname()[1])
        if first < 65_000 and all(places.is_free("127.0.0.1", first + at) for at in range(3)):
            return first
