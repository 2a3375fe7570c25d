"""The cache behind the flood shield: counts that end, and a bound on how many there are."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import RequestFactory

from jobs.shield import flood_wait
from videogen.counting_cache import CountingCache


@pytest.fixture
def cache() -> CountingCache:
    cache = CountingCache("tried", {"OPTIONS": {"MAX_ENTRIES": 4}})
    cache.clear()
    return cache


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    yield now
    monkeypatch.undo()


def test_a_count_begins_once_and_grows(cache: CountingCache) -> None:
    assert [cache.add("ann", 1, 60), cache.add("ann", 1, 60)] == [True, False]
    assert [cache.incr("ann"), cache.incr("ann", 5)] == [2, 7]
    assert cache.get("ann") == 7
    with pytest.raises(ValueError, match="bob"):
        cache.incr("bob")
    assert (cache.get("bob"), cache.get("bob", 0)) == (None, 0)


def test_a_count_ends_at_its_time_however_often_it_grew(
    cache: CountingCache, clock: list[float]
) -> None:
    cache.add("ann", 1, 60)
    clock[0] += 59
    cache.incr("ann")
    clock[0] += 1

    assert cache.get("ann") is None
    assert cache.add("ann", 1, 60)
    cache.set("for ever", 1, None)
    clock[0] += 10**9
    assert cache.get("for ever") == 1


def test_what_is_over_makes_room_before_what_counts(
    cache: CountingCache, clock: list[float]
) -> None:
    for name in ("over", "also over"):
        cache.set(name, 1, 10)
    clock[0] += 11
    for name in ("a", "b", "c"):
        cache.set(name, 1, 60)

    assert [cache.get(name) for name in ("over", "a", "b", "c")] == [None, 1, 1, 1]
    for name in ("d", "e"):
        cache.set(name, 1, 60)
    assert [cache.get(name) for name in ("a", "b", "c", "d", "e")] == [None, None, 1, 1, 1]


def test_what_is_dropped_is_gone(cache: CountingCache) -> None:
    cache.set("ann", 1)
    assert [cache.delete("ann"), cache.delete("ann")] == [True, False]
    cache.set("ann", 1)
    cache.clear()
    assert cache.get("ann") is None


def test_threads_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    key = uuid4().hex

    def waits() -> bool:
        request = RequestFactory().post("/")
        return flood_wait(request, group="tried", key=key, per_minute=3) is not None

    with ThreadPoolExecutor(4) as threads:
        told = [threads.submit(waits) for _ in range(8)]
    with_loops = [async_to_sync(sync_to_async(waits))() for _ in range(2)]

    assert sorted(one.result() for one in told) == [False] * 3 + [True] * 5
    assert with_loops == [True, True]
