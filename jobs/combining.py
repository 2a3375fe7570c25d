"""Calls that arrive while one is under way are carried out together, by one of their threads.

Flat combining (Hendler, Incze, Shavit, Tzafrir, "Flat Combining and the Synchronization-Parallelism Tradeoff", SPAA
2010): whoever finds nobody at work leads, takes all who wait with it, and hands each what it got. Nobody waits for
company: alone, a call is carried out at once.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

Asked = TypeVar("Asked")
Found = TypeVar("Found")


def _held() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(slots=True, eq=False)
class _Place(Generic[Asked, Found]):
    asked: Asked
    # Released when it is this call's turn to lead, or when another has carried it out. An event would take its own
    # lock around one like this, twice.
    turn: threading.Lock = field(default_factory=_held)
    is_over: bool = False
    found: Found | None = None


class Combiner(Generic[Asked, Found]):
    """Carries out calls of a process, at most so many at once; those of one name, if they have names, take turns.

    `together` gives what each of some calls got, in their order, and None to whom it could not help. It must not wait
    for what another caller may hold for long: all who ask meanwhile would wait with it.
    """

    def __init__(
        self,
        together: Callable[[Sequence[Asked]], Sequence[Found | None]],
        *,
        most: int,
        name: Callable[[Asked], Hashable] = id,
    ) -> None:
        self._together = together
        self._name = name
        self._most = most
        self._lock: Final = threading.Lock()
        self._waiting: Final[deque[_Place[Asked, Found]]] = deque()
        self._is_led = False

    def call(self, asked: Asked) -> Found | None:
        """Have a call carried out; None where it could not be, or where what was tried for all of them failed."""
        place: _Place[Asked, Found] = _Place(asked)
        with self._lock:
            must_wait = self._is_led
            if must_wait:
                self._waiting.append(place)
            self._is_led = True
        if must_wait:
            place.turn.acquire()
        if not place.is_over:
            self._lead(place)
        return place.found

    def _lead(self, place: _Place[Asked, Found]) -> None:
        with self._lock:
            places = [place, *self._taken(place)]
        found: Sequence[Found | None] = ()
        try:
            found = self._together([one.asked for one in places])
        finally:
            for at, one in enumerate(places):
                one.found = found[at] if at < len(found) else None
                one.is_over = True
            with self._lock:
                follower = self._waiting.popleft() if self._waiting else None
                self._is_led = follower is not None
            # The next one begins before these go on: they have the same interpreter.
            if follower is not None:
                follower.turn.release()
            for one in places[1:]:
                one.turn.release()

    def _taken(self, leader: _Place[Asked, Found]) -> list[_Place[Asked, Found]]:
        """Take who waits, in order, one of each name."""
        names = {self._name(leader.asked)}
        taken: list[_Place[Asked, Found]] = []
        left: list[_Place[Asked, Found]] = []
        while self._waiting and len(taken) + 1 < self._most:
            one = self._waiting.popleft()
            name = self._name(one.asked)
            (left if name in names else taken).append(one)
            names.add(name)
        self._waiting.extendleft(reversed(left))
        return taken
