"""One order's time on a GPU: a thread that does the work, and what it and its attempt tell each other.

Every word to the attempt's control goes through the attempt's own thread: that one has the database
connection, and torch need not come back to Python for a wish to stop to be seen.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from jobs.backends.backend import BackendError
from jobs.backends.clips import Picture
from jobs.failures import FailureKind

# How often a silent GPU is left to look for a wish to stop, seconds.
ATTENTION: Final = 0.25


class Interrupted(Exception):
    """The run was told to stop."""


class Began:
    """The first step began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What a model painted, cut to what was ordered."""

    pictures: list[Picture]
    frame_rate: int


class Run:
    """Leaving the block stops the work, and returns when the GPU does nothing for it any more."""

    def __init__(self, work: Callable[["Run"], Film]) -> None:
        self._work = work
        self._messages: queue.SimpleQueue[Began | int | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._is_generating = threading.Event()
        self._film: Film | None = None
        self._failure: BackendError | None = None
        self._thread = threading.Thread(target=self._do, name="diffusers")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        # Weights that are being loaded are not this order's alone: the next one finds them there.
        if self._is_generating.is_set():
            self._thread.join()

    def next_message(self) -> Began | int | None:
        """Give the next word: a beginning, or percent done; None at the end. Raises queue.Empty."""
        return self._messages.get(timeout=ATTENTION)

    def film(self) -> Film:
        """Give what was made, after the end. Raises BackendError."""
        self._thread.join()
        if self._film is None:
            raise self._failure or Interrupted
        return self._film

    def check(self) -> None:
        """Leave the work when it is no longer wanted. Raises Interrupted."""
        if self._stop.is_set():
            raise Interrupted

    @property
    def is_wanted(self) -> bool:
        """Say whether nobody stopped it."""
        return not self._stop.is_set()

    def generating(self) -> None:
        """Hold the attempt back from leaving until the work has ended. Raises Interrupted."""
        # First said, then asked: whoever stops does it in the other order, so one of the two sees it.
        self._is_generating.set()
        self.check()

    def began(self) -> None:
        """Tell that the first step began."""
        self._messages.put(Began())

    def progressed(self, percent: int) -> None:
        """Tell percent done."""
        self._messages.put(percent)

    def _do(self) -> None:
        try:
            self._film = self._work(self)
        except Interrupted:
            pass
        except BackendError as error:
            self._failure = error
        except Exception as error:  # noqa: BLE001 - it is told to the attempt, which logs it
            self._failure = BackendError(
                FailureKind.INTERNAL, FailureKind.INTERNAL.sentence, detail=repr(error)[:400]
            )
        finally:
            self._messages.put(None)
