"""How many slots of a pool may be given out."""

from dataclasses import replace
from typing import Any

from scheduler.capacity import PoolRow, free_slots

POOL = PoolRow(name="main", slots=4, kinds=frozenset({"k"}))


def _free(**changes: Any) -> tuple[int, ...]:
    found = free_slots(replace(POOL, **changes))
    return found.slots if found else ()


def test_the_slots_without_a_lease_are_free() -> None:
    assert _free(used=frozenset({1, 3})) == (2, 4)


def test_a_cut_counts_what_runs_above_it() -> None:
    assert _free(slots=2, used=frozenset({1, 3})) == ()
    assert _free(slots=2, used=frozenset({3})) == (1,)


def test_a_pool_that_takes_no_work_has_nothing_free() -> None:
    assert _free(takes_work=False) == ()


def test_a_pool_on_probation_gets_one_job_at_a_time() -> None:
    assert _free(is_half_open=True) == (1,)
    assert _free(is_half_open=True, used=frozenset({2})) == ()


def test_no_capacity_is_no_error() -> None:
    assert _free(slots=0) == ()


def test_the_highest_slots_are_the_reserved_ones() -> None:
    found = free_slots(replace(POOL, paid_reserved=2, used=frozenset({1, 4})))

    assert found
    assert (found.slots, found.reserved) == ((2,), (3,))


def test_a_pool_may_be_reserved_as_a_whole() -> None:
    found = free_slots(replace(POOL, paid_reserved=9))

    assert found
    assert (found.slots, found.reserved) == ((), (1, 2, 3, 4))
