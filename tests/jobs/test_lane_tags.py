"""How the tag of an owner's lane moves."""

from jobs import lane_tags


def test_an_idle_owner_starts_level_with_the_line() -> None:
    assert lane_tags.opened(tag=None, is_empty=True, virtual_time=90.0) == 90.0
    assert lane_tags.opened(tag=10.0, is_empty=True, virtual_time=90.0) == 90.0
    assert lane_tags.opened(tag=95.0, is_empty=True, virtual_time=90.0) == 95.0


def test_a_waiting_owner_keeps_the_tag() -> None:
    assert lane_tags.opened(tag=10.0, is_empty=False, virtual_time=90.0) == 10.0


def test_jobs_that_wait_and_are_cancelled_cost_no_turn() -> None:
    # A thousand submitted and cancelled: no grant, so nothing moved.
    assert lane_tags.opened(tag=40.0, is_empty=True, virtual_time=40.0) == 40.0


def test_a_wrong_estimate_is_put_right_at_the_end() -> None:
    tag = lane_tags.granted(tag=100.0, estimate=30.0)

    charged = lane_tags.charge(held=80.0, owner_pays=True)

    assert lane_tags.corrected(tag=tag, estimate=30.0, charged=charged, virtual_time=0.0) == 180.0


def test_what_we_lost_costs_no_turn() -> None:
    tag = lane_tags.granted(tag=100.0, estimate=30.0, weight=2.0)

    charged = lane_tags.charge(held=80.0, owner_pays=False)

    assert (
        lane_tags.corrected(tag=tag, estimate=30.0, charged=charged, virtual_time=0.0, weight=2.0)
        == 100.0
    )


def test_a_refund_is_bounded() -> None:
    assert (
        lane_tags.corrected(tag=5000.0, estimate=4900.0, charged=0.0, virtual_time=5000.0) == 4400.0
    )


def test_being_held_back_earns_no_credit() -> None:
    assert lane_tags.readmitted(tag=10.0, virtual_time=90.0) == 90.0


def test_standby_settles_nothing() -> None:
    assert lane_tags.settled(held=30.0, weight=0.0) == 0.0
    assert lane_tags.settled(held=30.0, weight=60.0) == 0.5
