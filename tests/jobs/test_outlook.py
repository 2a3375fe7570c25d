"""When a waiting job will start, as a range."""

from dataclasses import replace
from math import exp

from hypothesis import given
from hypothesis import strategies as st

from jobs.outlook import Band, Curve, Outlook, Place, band_key, bucket, expect, finish, spread

OUTLOOK = Outlook(
    tier="pro",
    virtual_time=100.0,
    work=Curve((100.0, 200.0), (0.0, 1000.0)),
    overtaking=Curve(),
    drain=10.0,
    mean_cost=25.0,
    mean_run=40.0,
    slots=40,
)


def _seconds(outlook: Outlook, place: Place) -> float:
    found = expect(outlook, place)
    assert found is not None
    return found.seconds


def test_a_curve_is_straight_between_its_points_and_level_beyond() -> None:
    curve = Curve((1.0, 3.0), (10.0, 30.0))

    assert [curve.at(x) for x in (0.0, 1.0, 2.0, 3.0, 9.0)] == [0.0, 10.0, 20.0, 30.0, 30.0]
    assert Curve().at(5.0) == 0.0


def test_a_wait_is_the_work_ahead_by_the_drain() -> None:
    found = expect(OUTLOOK, Place(tag=150.0))

    assert found is not None
    assert (found.seconds, found.ahead) == (51.0, 20)
    assert found.low < 51.0 < found.high


def test_own_work_ahead_counts() -> None:
    assert _seconds(OUTLOOK, Place(tag=150.0, own_work=50.0)) == 101.0


def test_those_who_will_overtake_leave_less_of_the_drain() -> None:
    overtaken = replace(OUTLOOK, overtaking=Curve((0.0, 30.0), (5.0, 5.0)))

    assert _seconds(overtaken, Place(tag=150.0)) == 101.0


def test_however_many_overtake_some_of_the_drain_is_left() -> None:
    swamped = replace(OUTLOOK, overtaking=Curve((0.0, 30.0), (500.0, 500.0)))

    assert _seconds(swamped, Place(tag=150.0)) < 170.0


def test_an_owners_limit_can_be_what_it_waits_for() -> None:
    place = Place(tag=100.0, own_jobs=5, own_running=2, own_limit=2)

    assert _seconds(OUTLOOK, place) == 120.0


def test_after_a_change_of_capacity_the_range_covers_the_old_and_the_new() -> None:
    place = Place(tag=150.0)
    halved = replace(OUTLOOK, drain=5.0)
    after, before = expect(halved, place), expect(OUTLOOK, place)

    changed = expect(replace(halved, drain_before=10.0), place)

    assert after is not None
    assert before is not None
    assert changed is not None
    assert (changed.seconds, changed.low, changed.high) == (after.seconds, before.low, after.high)


def test_nothing_is_said_while_nothing_drains() -> None:
    assert expect(replace(OUTLOOK, drain=0.0), Place(tag=150.0)) is None
    assert expect(replace(OUTLOOK, slots=0), Place(tag=150.0)) is None


def test_buckets_are_told_apart_by_tier_only_while_waits_are_short() -> None:
    assert [bucket(seconds) for seconds in (1.0, 3.0, 50.0, 2000.0)] == [0, 1, 3, 6]
    assert band_key(tier="pro", seconds=50.0, is_new=True) == ("pro", True, 3)
    assert band_key(tier="pro", seconds=500.0, is_new=False) == ("", False, 5)


def test_a_band_widens_by_a_factor() -> None:
    low, high = spread(96.0, Band(low=-1.0, high=1.0))

    assert (low, high) == (100 * exp(-1) - 4, 100 * exp(1) - 4)


def test_an_end_is_a_start_and_a_usual_run() -> None:
    assert finish((10.0, 60.0), (20.0, 50.0)) == (30.0, 110.0)


@given(
    seconds=st.floats(0.0, 5000.0),
    low=st.floats(-4.0, 4.0),
    width=st.floats(0.0, 4.0),
)
def test_a_range_is_never_the_wrong_way_round(seconds: float, low: float, width: float) -> None:
    found = spread(seconds, Band(low=low, high=low + width))

    assert 0.0 <= found[0] <= found[1]


@given(first=st.floats(0.0, 300.0), second=st.floats(0.0, 300.0))
def test_whoever_is_further_back_is_told_a_later_time(first: float, second: float) -> None:
    near, far = sorted((first, second))

    assert _seconds(OUTLOOK, Place(tag=near)) <= _seconds(OUTLOOK, Place(tag=far))
