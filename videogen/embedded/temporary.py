"""PostgreSQL and Valkey for a while, on free ports in a folder of their own: for tests, benchmarks, proofs."""

import contextlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from videogen.embedded import places, postgres, valkey

_PATIENCE = 20.0
# What is kept is written down before the end, and read again where there was none.
_PATIENCE_WHEN_KEPT = 300.0
# Races bring fifty clients at once, and some leave late.
_MANY_CLIENTS = ("-c", "max_connections=250")


class TemporaryServers:
    """Both servers, until they are stopped. What they held is gone then, unless a folder is given to keep it."""

    def __init__(self, kept: Path | None = None) -> None:
        self._is_kept = kept is not None
        self._patience = _PATIENCE_WHEN_KEPT if self._is_kept else 5.0
        # In /tmp itself, so that the database's user may enter it when this runs as root.
        self.folder = kept or Path(tempfile.mkdtemp(prefix="videogen-temporary-", dir="/tmp"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._broker: valkey.Valkey | None = None

    def start(self, settings: Sequence[str] = ()) -> dict[str, str]:
        """Start both, PostgreSQL with these settings (`name=value`), and give the environment that ours need."""
        places.prepare(self.folder)
        database = postgres.prepare(self.folder)
        broker = self._broker = valkey.prepare(self.folder)
        given = [part for setting in settings for part in ("-c", setting)]
        command = [*database.command, *_MANY_CLIENTS, *given]
        self._run(command, database.is_ready, **postgres.as_server_user())
        database.create_database()
        self._run(broker.command, broker.is_ready)
        return {
            "DATABASE_URL": database.url,
            "REDIS_URL": broker.url,
            "DATA_DIR": str(self.folder),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "DEVELOPMENT": "1",
            "LEASE_SECONDS": "30",
            "HEARTBEAT_SECONDS": "10",
        }

    def stop_broker(self) -> None:
        """Kill Valkey, with everything that it holds."""
        broker = self._processes.pop()
        broker.kill()
        broker.wait()

    def start_broker(self) -> None:
        """Start Valkey again, empty."""
        if self._broker is None:
            raise RuntimeError("Start the servers first.")
        self._run(self._broker.command, self._broker.is_ready)

    def stop(self) -> None:
        """Stop both, and remove the folder unless it is kept."""
        for process in reversed(self._processes):
            # PostgreSQL sends its clients away; neither waits for any.
            process.send_signal(signal.SIGINT)
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self._patience)
            process.kill()
            process.wait()
        self._processes.clear()
        if not self._is_kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str], is_ready: Callable[[], bool], **options: object) -> None:
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **options,  # type: ignore[call-overload]  # user, group: what Popen takes
        )
        self._processes.append(process)
        deadline = time.monotonic() + max(_PATIENCE, self._patience)
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{Path(command[0]).name} did not start.")
            time.sleep(0.05)
