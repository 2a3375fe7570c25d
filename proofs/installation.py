"""An installation of a proof's own: servers, push process, sinks, and the loops that are killed."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from proofs.sinks.running import Sink, sink
from videogen.embedded import places
from videogen.embedded.temporary import TemporaryServers

_ROOT: Final = Path(__file__).resolve().parent.parent
_PATIENCE: Final = 60.0
# Until a try that nobody wrote down is made again; twice as long for mail.
_CLAIM_SECONDS: Final = "1.5"


@dataclass(frozen=True)
class Installation:
    """What a proof works with."""

    servers: TemporaryServers
    http: Sink
    smtp: Sink
    # The vendors' edge of pushes to browsers and phones.
    edge: Sink
    push_port: int
    push_pid: int
    folder: Path

    @contextmanager
    def loops(self, *roles: str, crash_point: str = "") -> Iterator["subprocess.Popen[bytes]"]:
        """Run loops in a process of their own, and kill it afterwards if it lives."""
        with (self.folder / "loops.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "run", *roles],
                cwd=_ROOT,
                env={**os.environ, "CRASH_POINT": crash_point},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def installation() -> Iterator[Installation]:
    """Start everything, set Django up on it and migrate. Once per process."""
    servers = TemporaryServers()
    with ExitStack() as stack:
        stack.callback(servers.stop)
        os.environ.update(servers.start())
        http = stack.enter_context(sink("http", servers.folder))
        smtp = stack.enter_context(sink("smtp", servers.folder))
        edge = stack.enter_context(sink("push", servers.folder))
        os.environ |= {
            "FCM_URL": f"http://127.0.0.1:{edge.port}",
            "FCM_SERVICE_ACCOUNT": asked(edge, "/service-account"),
            "VAPID_PRIVATE_KEY": secrets.token_urlsafe(32),
            "DJANGO_SETTINGS_MODULE": "videogen.settings",
            "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8",
            "EMAIL_URL": f"smtp://127.0.0.1:{smtp.port}",
            "COURIER_CLAIM_SECONDS": _CLAIM_SECONDS,
            "PUBLIC_URL": "http://127.0.0.1:8000",
        }
        # A line for each of thousands of jobs would hide what holds.
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        import django  # noqa: PLC0415 - the settings are known only now

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", interactive=False, verbosity=0)
        port = _free_port()
        log = stack.enter_context((servers.folder / "push.log").open("ab"))
        push = subprocess.Popen(
            [
                *(sys.executable, "-m", "videogen.servers", "push", "--port", str(port)),
            ],
            cwd=_ROOT,
            stdout=log,
            stderr=log,
        )
        stack.callback(push.wait)
        stack.callback(push.kill)
        until(lambda: _answers(port), "the push process answers")
        yield Installation(servers, http, smtp, edge, port, push.pid, servers.folder)


def asked(edge: Sink, path: str) -> str:
    """Give what the vendors' edge answers to a GET."""
    with urlopen(f"http://127.0.0.1:{edge.port}{path}") as answer:
        found: str = answer.read().decode()
    return found


def until(
    holds: Callable[[], bool], what: str, *, patience: float = _PATIENCE, every: float = 0.02
) -> None:
    """Wait until something holds; say what did not."""
    deadline = time.monotonic() + patience
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {patience:g} s: {what}.")
        time.sleep(every)


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=2):
            return True
    except OSError:
        return False


def _free_port() -> int:
    return next(port for port in range(20_000, 60_000) if places.is_free("127.0.0.1", port))
