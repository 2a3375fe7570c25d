"""Calls are carried out together while one is under way, each gets its own answer, and none is forgotten."""

import threading
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from jobs.combining import Combiner

_SOON: Final = 30.0


class _Work:
    """Answers `a1` with `A1`; holds the first batch until it may go on."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.may_end = threading.Event()
        self.began = threading.Event()

    def __call__(self, asked: Sequence[str]) -> list[str | None]:
        self.batches.append(list(asked))
        if len(self.batches) == 1:
            self.began.set()
            assert self.may_end.wait(_SOON)
        if "breaks" in asked[-1]:
            raise ConnectionError(asked[-1])
        return [None if "refused" in one else one.upper() for one in asked]


def _combiner(
    work: Callable[[Sequence[str]], list[str | None]], most: int = 8
) -> Combiner[str, str]:
    return Combiner(work, name=lambda asked: asked[0], most=most)


def _called(
    combiner: Combiner[str, str], work: _Work, *asked: str
) -> dict[str, str | BaseException | None]:
    """Call once, and with everything else while that is under way; give what each got."""
    found: dict[str, str | BaseException | None] = {}

    def call(one: str) -> None:
        try:
            found[one] = combiner.call(one)
        except ConnectionError as error:
            found[one] = error

    threads = [threading.Thread(target=call, args=(one,)) for one in asked]
    threads[0].start()
    assert work.began.wait(_SOON)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(combiner._waiting) < number:
            assert thread.is_alive()
    work.may_end.set()
    for thread in threads:
        thread.join(_SOON)
        assert not thread.is_alive()
    return found


def test_a_call_alone_is_carried_out_at_once() -> None:
    work = _Work()
    work.may_end.set()
    combiner = _combiner(work)
    assert [combiner.call("a1"), combiner.call("a2")] == ["A1", "A2"]
    assert work.batches == [["a1"], ["a2"]]


def test_those_who_wait_go_together_and_each_gets_its_own() -> None:
    work = _Work()
    found = _called(_combiner(work), work, "a1", "b1", "c refused", "d1")
    assert found == {"a1": "A1", "b1": "B1", "c refused": None, "d1": "D1"}
    assert work.batches == [["a1"], ["b1", "c refused", "d1"]]


def test_those_of_one_name_take_turns_in_order() -> None:
    work = _Work()
    found = _called(_combiner(work), work, "a1", "b1", "b2", "c1", "b3")
    assert all(found[one] == one.upper() for one in found)
    assert len(found) == 5
    assert work.batches == [["a1"], ["b1", "c1"], ["b2"], ["b3"]]


def test_no_more_go_together_than_may() -> None:
    work = _Work()
    _called(_combiner(work, most=2), work, "a1", "b1", "c1", "d1")
    assert work.batches == [["a1"], ["b1", "c1"], ["d1"]]


def test_where_all_fail_the_leader_hears_why_and_the_others_that_nothing_came_of_it() -> None:
    work = _Work()
    found = _called(_combiner(work), work, "a1", "b1", "c breaks")
    assert found["a1"] == "A1"
    assert isinstance(found["b1"], ConnectionError)
    assert found["c breaks"] is None


def test_after_a_failure_the_next_one_leads() -> None:
    work = _Work()
    work.may_end.set()
    combiner = _combiner(work)
    with pytest.raises(ConnectionError):
        combiner.call("a breaks")
    assert combiner.call("a1") == "A1"


def test_many_threads_lose_and_double_nothing() -> None:
    done: list[str] = []
    lock = threading.Lock()

    def work(asked: Sequence[str]) -> list[str | None]:
        with lock:
            done.extend(asked)
        return [one.upper() for one in asked]

    combiner = _combiner(work, most=5)
    wrong: list[str] = []

    def call(letter: str) -> None:
        asked = [f"{letter}{number}" for number in range(200)]
        wrong.extend(one for one in asked if combiner.call(one) != one.upper())

    threads = [threading.Thread(target=call, args=(letter,)) for letter in "abcdefgh"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_SOON)
        assert not thread.is_alive()
    assert wrong == []
    assert len(done) == len(set(done)) == 1_600
    assert not combiner._is_led
