"""What stays is walked through once; what had been set aside and died in a cycle, after an hour or twenty walks."""

import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from videogen import garbage


class _Knot:
    """Refers to itself: only the collector finds that nobody else does."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = callbacks
    gc.unfreeze()


def test_what_a_walk_leaves_is_set_aside_and_the_next_one_passes_it_by() -> None:
    garbage.set_aside_what_stays()
    loaded = gc.get_freeze_count()
    knot = _Knot()
    is_gone = weakref.ref(knot)

    gc.collect()
    assert gc.get_freeze_count() > loaded
    del knot
    gc.collect()

    assert is_gone() is not None
    assert not [one for one in gc.get_objects() if isinstance(one, _Knot)]


def test_young_garbage_is_found_all_the_same() -> None:
    garbage.set_aside_what_stays()
    is_gone = weakref.ref(_Knot())

    gc.collect()

    assert is_gone() is None


def test_what_had_been_set_aside_is_found_within_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    garbage.set_aside_what_stays()
    knot = _Knot()
    is_gone = weakref.ref(knot)
    gc.collect()
    del knot
    began = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: began + 3_590)
    gc.collect()
    assert is_gone() is not None
    monkeypatch.setattr(time, "monotonic", lambda: began + 3_601)
    gc.collect()

    assert is_gone() is None


def test_or_after_twenty_walks() -> None:
    garbage.set_aside_what_stays()
    knot = _Knot()
    is_gone = weakref.ref(knot)
    gc.collect()
    del knot

    for _ in range(10):
        gc.collect()
    assert is_gone() is not None
    for _ in range(10):
        gc.collect()

    assert is_gone() is None
