"""Restarts processes that look alive and do nothing: stopped, hanging, or consuming no more.

Each gives a sign: its READY_FILE, which it touches again and again, or its address, which answers. What counts is how
long no sign was seen, on this process's own clock, so that a machine that slept wakes up in peace.
"""

import contextlib
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

from videogen.embedded.processes import Program
from videogen.embedded.supervision import Supervisor

# Between two looks, and what an address may take to answer, seconds.
_GLANCE: Final = 5.0
_ANSWERS_IN: Final = 10.0
# Looks further apart than that: the machine slept, or this process did.
_SLEPT: Final = 30.0


@dataclass(slots=True, kw_only=True)
class Watch:
    """Looks after the programs of one supervisor."""

    supervisor: Supervisor
    programs: Sequence[Program]
    # No sign for so many seconds: longer than a busy machine keeps a thread waiting.
    patience: float = 90.0
    say: Callable[[str], object] = print
    _signs: dict[str, object] = field(default_factory=dict)
    _seen_at: dict[str, float] = field(default_factory=dict)
    _looked_at: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Look after them on a thread of its own."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """Restart nothing from now on."""
        self._stop.set()

    def look(self) -> list[str]:
        """Restart those that gave no sign for too long, and name them."""
        running = {name for name, state in self.supervisor.states().items() if state == "RUNNING"}
        now = time.monotonic()
        if now - self._looked_at > _SLEPT:
            self._seen_at.clear()
        silent = [program.name for program in self.programs if self._is_silent(program, running)]
        for name in silent:
            if self._stop.is_set():
                break
            self.say(f"{name} gives no sign of life: it is started anew.")
            self.supervisor.restart(name)
            self._seen_at.pop(name, None)
        self._looked_at = time.monotonic()
        return silent

    def _run(self) -> None:
        while not self._stop.wait(_GLANCE):
            self.look()

    def _is_silent(self, program: Program, running: set[str]) -> bool:
        name, now = program.name, time.monotonic()
        if name not in running:
            self._seen_at.pop(name, None)
            return False
        sign = self._sign(program)
        if sign is not None and sign != self._signs.get(name):
            self._signs[name] = sign
            self._seen_at[name] = now
        return now - self._seen_at.setdefault(name, now) > self.patience

    def _sign(self, program: Program) -> object:
        """Give something that differs from the last sign; None is no sign."""
        if not program.probe:
            with contextlib.suppress(OSError):
                return ready_file(self.supervisor.data_dir, program).stat().st_mtime_ns
            return None
        # It lives, whether or not it can serve: a database that is away is no reason to start it anew.
        address = urljoin(program.probe, "/health/live")
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(address, timeout=_ANSWERS_IN),  # noqa: S310 - our own
        ):
            return time.monotonic()
        return None


def ready_file(data_dir: Path, program: Program) -> Path:
    """Name the file that a program without an address touches."""
    return data_dir / "run" / f"{program.name}.ready"
