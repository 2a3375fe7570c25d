"""How much may wait, and what is given up first."""

from typing import Any

import pytest

from scheduler import admission
from scheduler.admission import Standing

TIERS = {
    "enterprise": Standing(weight=60, is_paid=True, rank=30, bound_seconds=60.0),
    "pro": Standing(weight=30, is_paid=True, rank=20, bound_seconds=300.0),
    "free": Standing(weight=10, is_paid=False, rank=10, bound_seconds=1200.0),
    "standby": Standing(weight=0, is_paid=False, rank=1, bound_seconds=None),
}


def _drains(*pairs: tuple[float, float]) -> admission.Drains:
    drains: admission.Drains = ()
    for now, drain in pairs:
        drains = admission.noted(drains, drain=drain, now=now)
    return drains


def test_the_door_counts_on_the_slowest_of_the_last_ten_minutes() -> None:
    drains = _drains((0.0, 40.0), (60.0, 24.0), (70.0, 38.0), (300.0, 40.0))

    assert admission.least(drains, now=300.0) == 24.0
    assert admission.least(drains, now=700.0) == 40.0


def test_no_more_than_ten_minutes_are_kept() -> None:
    assert len(_drains(*[(60.0 * minute, 1.0) for minute in range(50)])) <= 10


def test_a_pause_closes_the_door_at_once_and_its_end_opens_it() -> None:
    paused = _drains((0.0, 40.0), (60.0, 0.0))

    assert admission.least(paused, now=60.0) == 0.0
    for again in (80.0, 125.0):
        drains = admission.noted(paused, drain=38.0, now=again)
        assert admission.least(drains, now=again) == 38.0


def test_nothing_known_is_nothing_promised() -> None:
    assert admission.least((), now=0.0) == 0.0


def test_a_bound_is_nine_tenths_of_the_seconds_of_drain() -> None:
    door = admission.door(seconds=60.0, drains=_drains((0.0, 24.0)), work=5.0, now=1.0)

    assert (door.bound, door.drain, door.work) == (1296.0, 24.0, 5.0)


def test_a_tier_without_a_bound_has_an_open_door() -> None:
    assert admission.door(seconds=None, drains=(), work=5.0, now=1.0).bound is None


def test_standby_goes_first_and_enterprise_last() -> None:
    assert admission.shedding_order(TIERS) == ["standby", "free", "pro", "enterprise"]


@pytest.mark.parametrize(
    ("tier", "waited", "given_up"),
    [
        ("free", 1799.0, False),
        ("free", 1801.0, True),
        ("pro", 9000.0, False),
        ("enterprise", 9000.0, False),
        # Standby ends by its own deadline.
        ("standby", 9000.0, False),
    ],
)
def test_what_nobody_paid_for_expires_beyond_one_and_a_half_bounds(
    tier: str, waited: float, given_up: bool
) -> None:
    assert admission.is_given_up(TIERS[tier], waited=waited) is given_up


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"work": 240.0, "drain": 12.0, "bound": 60.0}, (20.0, False, None)),
        ({"work": 5000.0, "drain": 2.0, "bound": 1200.0}, (2500.0, True, None)),
        ({"work": 9e9, "drain": 2.0, "bound": None}, (4.5e9, False, None)),
        ({"work": 0.0, "drain": 0.0, "bound": 300.0}, (None, True, None)),
        ({"work": 0.0, "drain": 4.0, "bound": 100.0, "arriving": 5.0}, (0.0, False, 349.2)),
        ({"work": 0.0, "drain": 4.0, "bound": 100.0, "arriving": 4.0}, (0.0, False, None)),
    ],
)
def test_an_operator_sees_what_a_line_would_be_like(
    values: dict[str, Any], expected: tuple[float | None, bool, float | None]
) -> None:
    found = admission.foresee(**values)

    assert (found.wait, found.is_closed, found.closes_in) == expected
