"""What one server generates: slots, a queue in order of arrival, and a clock of asyncio's timers."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from videogen.fake_gpu.journal import Journal

# Between a success and what contradicts or repeats it, seconds.
SECOND_WORD: Final = 0.5
# Ended generations that are remembered; older ones expire.
_KEPT: Final = 10_000


class Phase(StrEnum):
    """What really happens to a generation; each dialect has words of its own."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


ENDED: Final = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a create asked for, in one vocabulary."""

    prompt: str
    model: str
    # Of the video.
    seconds: float
    frames: int | None = None
    fps: int | None = None
    size: str = ""
    webhook_url: str = ""
    webhook_events: frozenset[str] = frozenset()
    # What the dialect echoes beside all this.
    echo: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a generation failed; `status` is for dialects that show it as HTTP."""

    status: int
    code: str
    message: str


@dataclass(slots=True, kw_only=True, eq=False)
class Generation:
    """One generation, from its create to its end."""

    id: str
    wanted: Wanted
    # Seconds that it will take, and how it will end.
    duration: float
    planned_failure: Failure | None
    faults: frozenset[str]
    created_at: float
    # Where its result points instead, when that fault struck.
    bad_url: str = ""
    phase: Phase = Phase.QUEUED
    started_at: float | None = None
    ended_at: float | None = None
    failure: Failure | None = None
    # Grows when a success is told again.
    output_number: int = 1
    # Deleted or canceled for everybody but the GPU.
    abandoned: bool = False
    timer: asyncio.TimerHandle | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def fraction(self) -> float:
        """Say how much is done, 0 to 1; a hanging one stays below a half."""
        if self.phase is Phase.SUCCEEDED:
            return 1.0
        if self.started_at is None:
            return 0.0
        done = (time.time() - self.started_at) / max(self.duration, 1e-6)
        return min(done, 0.4 if "hang" in self.faults else 0.99)


Announce = Callable[[Generation, str], None]


class Gpu:
    """The slots. `announce` hears `started` and `ended` of generations that are not abandoned."""

    def __init__(self, slots: int, journal: Journal, announce: Announce) -> None:
        self.slots = slots
        self.known: dict[str, Generation] = {}
        self.waiting: deque[Generation] = deque()
        self.running: set[Generation] = set()
        self._over: deque[str] = deque()
        self._journal = journal
        self._announce = announce

    def submit(self, generation: Generation) -> None:
        """Start now, or when a slot is free."""
        self.known[generation.id] = generation
        self.waiting.append(generation)
        self._fill()

    def restore(self, generation: Generation) -> None:
        """Know an ended generation of an earlier process again."""
        self.known[generation.id] = generation
        self._over.append(generation.id)
        generation.ended.set()

    def resize(self, slots: int) -> None:
        """Change the number of slots; what runs goes on."""
        self.slots = slots
        self._fill()

    def end_now(self, generation: Generation) -> None:
        """End a generation at once, whether or not a slot is free."""
        if generation in self.waiting:
            self.waiting.remove(generation)
            self._start(generation)
        if generation in self.running:
            self._end(generation)

    def cancel(self, generation: Generation) -> None:
        """Stop a generation and free its slot."""
        if generation.phase in ENDED:
            return
        if generation in self.waiting:
            self.waiting.remove(generation)
        else:
            self._leave_slot(generation)
        self._journal.write("canceled", generation.id, frees=True)
        self._close(generation, Phase.CANCELED)
        self._fill()

    def abandon(self, generation: Generation) -> None:
        """Call a generation canceled, and let the GPU work on."""
        if generation.phase in ENDED:
            return
        generation.abandoned = True
        self._journal.write("canceled", generation.id, frees=False)
        self._close(generation, Phase.CANCELED)

    def forget(self, generation: Generation) -> None:
        """Know nothing of a generation any more, whatever the GPU does."""
        if generation.phase not in ENDED:
            generation.abandoned = True
        if self.known.pop(generation.id, None) is not None:
            self._journal.write("forgotten", generation.id, phase=generation.phase)
            # Whoever waits for it must not wait for ever.
            generation.ended.set()

    def lose_everything(self) -> None:
        """Stop all work and forget it, as the memory of a process is lost."""
        for generation in list(self.running):
            self._leave_slot(generation)
        self.waiting.clear()
        self._over.clear()
        for generation in list(self.known.values()):
            self.forget(generation)

    def release(self) -> int:
        """Let hanging generations go on, and count them."""
        hanging = [one for one in self.running if "hang" in one.faults and one.timer is None]
        for generation in hanging:
            spent = time.time() - (generation.started_at or 0.0)
            self._end_after(generation, max(0.0, generation.duration - spent))
        return len(hanging)

    def _fill(self) -> None:
        while self.waiting and len(self.running) < self.slots:
            self._start(self.waiting.popleft())

    def _start(self, generation: Generation) -> None:
        generation.started_at = time.time()
        self.running.add(generation)
        self._journal.write("started", generation.id, slots_used=len(self.running))
        if "hang" not in generation.faults:
            self._end_after(generation, generation.duration)
        if not generation.abandoned:
            generation.phase = Phase.RUNNING
            self._announce(generation, "started")

    def _end_after(self, generation: Generation, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        generation.timer = loop.call_later(seconds, self._end, generation)

    def _end(self, generation: Generation) -> None:
        self._leave_slot(generation)
        if generation.planned_failure:
            self._fail(generation, generation.planned_failure)
        else:
            self._succeed(generation)
            if {"success_twice", "success_then_failure"} & generation.faults:
                loop = asyncio.get_running_loop()
                loop.call_later(SECOND_WORD, self._speak_again, generation)
        self._fill()

    def _succeed(self, generation: Generation) -> None:
        output = generation.output_number
        self._journal.write("finished", generation.id, output=output, unseen=generation.abandoned)
        self._close(generation, Phase.SUCCEEDED)

    def _fail(self, generation: Generation, failure: Failure) -> None:
        generation.failure = failure
        self._journal.write(
            "failed",
            generation.id,
            status=failure.status,
            code=failure.code,
            message=failure.message,
            unseen=generation.abandoned,
        )
        self._close(generation, Phase.FAILED)

    def _speak_again(self, generation: Generation) -> None:
        if generation.id not in self.known:
            return
        if "success_then_failure" in generation.faults:
            message = "The output was lost after it was made."
            self._fail(generation, Failure(status=500, code="output_lost", message=message))
        else:
            generation.output_number += 1
            self._succeed(generation)

    def _leave_slot(self, generation: Generation) -> None:
        if generation.timer:
            generation.timer.cancel()
            generation.timer = None
        self.running.discard(generation)
        self._journal.write(
            "billed",
            generation.id,
            gpu_seconds=round(time.time() - (generation.started_at or 0.0), 6),
            video_seconds=generation.wanted.seconds,
        )

    def _close(self, generation: Generation, phase: Phase) -> None:
        if generation.abandoned and phase is not Phase.CANCELED:
            # The GPU ended what nobody waits for any more.
            return
        if generation.phase not in ENDED:
            self._over.append(generation.id)
        generation.phase = phase
        generation.ended_at = time.time()
        generation.ended.set()
        self._announce(generation, "ended")
        while len(self._over) > _KEPT:
            self.known.pop(self._over.popleft(), None)
