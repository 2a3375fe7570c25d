"""How fast lines drain, what waits ahead, and how ranges learn."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.outlook import Band
from scheduler import estimates
from scheduler.estimates import LineDemand


def _brute(lanes: list[tuple[float, float, float]], x: float) -> float:
    return sum(min(work, x - tag + min(head, work)) for tag, work, head in lanes if tag <= x)


def test_work_ahead_is_what_starts_before_a_virtual_time() -> None:
    lanes = [(0.0, 30.0, 10.0), (5.0, 10.0, 10.0), (20.0, 100.0, 20.0)]

    curve = estimates.work_ahead(lanes)

    for x in (0.0, 5.0, 20.0, 60.0, 100.0):
        assert curve.at(x) == pytest.approx(_brute(lanes, x))
    assert curve.at(1000.0) == 140.0
    assert estimates.work_ahead([]).xs == ()


@given(
    lanes=st.lists(
        st.tuples(st.floats(0, 500), st.floats(1, 400), st.floats(1, 60)), min_size=1, max_size=200
    )
)
def test_work_ahead_only_rises_and_fits_in_48_points(
    lanes: list[tuple[float, float, float]],
) -> None:
    curve = estimates.work_ahead(lanes)

    assert len(curve.xs) <= 48
    assert all(a <= b + 1e-6 for a, b in zip(curve.ys, curve.ys[1:], strict=False))
    assert curve.ys[-1] == pytest.approx(sum(work for _, work, _ in lanes))
    for x, y in zip(curve.xs, curve.ys, strict=True):
        assert y == pytest.approx(_brute(lanes, x), rel=1e-6, abs=1e-3)


def test_arrivals_overtake_by_their_lead() -> None:
    curve = estimates.overtaking([(0.0, 180.0), (10.0, 360.0)])

    assert (curve.at(-1.0), curve.at(0.0), curve.at(50.0)) == (0.0, 1.0, 3.0)


def test_capacity_goes_by_weight_where_all_want_more() -> None:
    wants = {"enterprise": (60.0, 99.0), "pro": (30.0, 99.0), "free": (10.0, 99.0)}

    found = estimates.drains(40.0, wants)

    assert found == pytest.approx({"enterprise": 24.0, "pro": 12.0, "free": 4.0})


def test_what_a_tier_does_not_want_goes_to_the_others() -> None:
    wants = {"enterprise": (60.0, 4.0), "pro": (30.0, 99.0), "free": (10.0, 99.0)}

    found = estimates.drains(40.0, wants)

    assert found["pro"] == pytest.approx(27.0)
    # It could have its whole share if it asked for it.
    assert found["enterprise"] == pytest.approx(24.0)


def test_a_tier_alone_could_have_everything() -> None:
    assert estimates.drains(40.0, {"pro": (30.0, 1.0), "free": (10.0, 0.0)})["free"] == 39.0


def test_standby_gets_what_is_left() -> None:
    wants = {"pro": (30.0, 10.0), "standby": (0.0, 99.0)}

    assert estimates.water_fill(40.0, wants) == pytest.approx({"pro": 10.0, "standby": 30.0})
    assert estimates.drains(40.0, {"standby": (0.0, 9.0)}) == {"standby": 40.0}
    # It gives way, so what it takes is there for whoever comes.
    assert estimates.drains(40.0, {**wants, "free": (10.0, 0.0)})["free"] == 30.0


def test_no_capacity_is_no_error() -> None:
    assert estimates.drains(0.0, {"pro": (30.0, 5.0)}) == {"pro": 0.0}
    assert estimates.drains(0.0, {}) == {}


@given(
    capacity=st.floats(0, 100),
    wants=st.dictionaries(
        st.sampled_from("abcd"), st.tuples(st.integers(0, 60), st.floats(0, 80)), min_size=1
    ),
)
def test_no_more_is_given_than_there_is_or_is_wanted(
    capacity: float, wants: dict[str, tuple[float, float]]
) -> None:
    given_ = estimates.water_fill(capacity, wants)

    assert sum(given_.values()) <= capacity + 1e-6
    assert all(given_[name] <= wants[name][1] + 1e-6 for name in wants)
    wanted = sum(want for _, want in wants.values())
    assert sum(given_.values()) >= min(capacity, wanted) - 1e-6


def test_lines_of_separate_pools_do_not_share() -> None:
    pools = [(10.0, frozenset("k")), (30.0, frozenset("l"))]
    lines = {
        1: LineDemand(tier="pro", kind="k", wants=99.0, owners=1),
        2: LineDemand(tier="pro", kind="l", wants=99.0, owners=9),
    }

    assert estimates.line_drains(pools, lines, {"pro": 30.0}) == {1: 10.0, 2: 30.0}


def test_lines_that_overlap_share_by_their_owners_and_reach_no_further_than_their_pools() -> None:
    pools = [(10.0, frozenset("k")), (30.0, frozenset("kl"))]
    lines = {
        1: LineDemand(tier="pro", kind="k", wants=99.0, owners=1),
        2: LineDemand(tier="pro", kind="l", wants=99.0, owners=9),
    }

    found = estimates.line_drains(pools, lines, {"pro": 30.0})

    assert found == pytest.approx({1: 4.0, 2: 30.0})


def test_a_line_that_no_pool_serves_does_not_drain() -> None:
    lines = {1: LineDemand(tier="pro", kind="z", wants=1.0, owners=1)}

    assert estimates.line_drains([(10.0, frozenset("k"))], lines, {"pro": 30.0}) == {1: 0.0}


def test_demand_is_what_arrives_and_what_waits() -> None:
    assert estimates.demand(arriving=2.0, waiting=120.0) == 3.0


def test_a_stationary_stream_settles_on_the_wanted_coverage() -> None:
    random, band, inside = Random(7), Band(), []
    for _ in range(6000):
        actual = random.gauss(0.4, 0.9)
        late, early = actual > band.high, actual < band.low
        inside.append(not late and not early)
        band = estimates.calibrated(band, is_late=late, is_early=early)

    assert sum(inside[2000:]) / 4000 == pytest.approx(0.88, abs=0.03)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=300))
def test_a_band_never_turns_round(outcomes: list[tuple[bool, bool]]) -> None:
    band = Band()
    for late, early in outcomes:
        band = estimates.calibrated(band, is_late=late, is_early=early and not late)

    assert band.low <= band.high
