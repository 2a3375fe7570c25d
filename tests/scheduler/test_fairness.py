"""Whose job gets which slot: pure, without a database."""

from dataclasses import replace

import pytest

from scheduler.fairness import pick
from scheduler.rows import Line, Picked, Share, Tier, Turn
from tests.scheduler.heads import TIERS, head, owner, pool, snapshot

ENTERPRISE_AND_FREE = {1: Line(tier="enterprise", kind="k"), 2: Line(tier="free", kind="k")}


def _owners(picked: Picked) -> list[int]:
    return [grant.owner_id.int for grant in picked.grants]


def test_a_burst_from_one_owner_does_not_starve_another() -> None:
    picked = pick(snapshot(head(1, jobs=2), head(2, tag=5.0), free=[pool(slots=2)]))

    assert _owners(picked) == [1, 2]


def test_the_tier_that_held_least_for_its_weight_is_next() -> None:
    shares = {
        ("main", "enterprise"): Share(settled=10.0, elapsed=60.0),
        ("main", "free"): Share(settled=10.0, elapsed=20.0),
    }

    picked = pick(snapshot(head(1), head(2, line=2), lines=ENTERPRISE_AND_FREE, shares=shares))

    assert _owners(picked) == [1]


def test_what_holds_a_slot_counts_ahead() -> None:
    # Both have run for nothing yet; enterprise holds seven slots, free one.
    shares = {("main", "enterprise"): Share(held=7, newest=0.0), ("main", "free"): Share(held=1)}

    picked = pick(snapshot(head(1), head(2, line=2), lines=ENTERPRISE_AND_FREE, shares=shares))

    assert _owners(picked) == [2]


def test_tiers_that_are_level_go_by_weight() -> None:
    picked = pick(snapshot(head(2, line=2), head(1), lines=ENTERPRISE_AND_FREE))

    assert _owners(picked) == [1]


def test_a_tier_that_was_idle_is_lifted_to_the_floor() -> None:
    turns = {("main", 2): Turn(was_waiting=True)}
    shares = {("main", "enterprise"): Share(settled=1.0), ("main", "free"): Share(settled=100.0)}

    picked = pick(
        snapshot(
            head(1),
            head(2, line=2),
            free=[pool(floor=100.0)],
            lines=ENTERPRISE_AND_FREE,
            shares=shares,
            turns=turns,
        )
    )

    assert picked.lifts == {("main", "enterprise"): 99.0}


def test_a_tier_that_waited_all_the_time_keeps_what_it_lacks() -> None:
    turns = {("main", 1): Turn(was_waiting=True), ("main", 2): Turn(was_waiting=True)}
    shares = {("main", "enterprise"): Share(settled=1.0), ("main", "free"): Share(settled=100.0)}

    picked = pick(
        snapshot(
            head(1, jobs=3),
            head(2, line=2),
            free=[pool(slots=3, floor=1.0)],
            lines=ENTERPRISE_AND_FREE,
            shares=shares,
            turns=turns,
        )
    )

    assert (picked.lifts, _owners(picked)) == ({}, [1, 1, 1])


def test_the_floor_rises_with_the_least_of_those_who_wait() -> None:
    shares = {("main", "enterprise"): Share(settled=7.0), ("main", "free"): Share(settled=9.0)}

    picked = pick(snapshot(head(1), head(2, line=2), lines=ENTERPRISE_AND_FREE, shares=shares))

    assert picked.floors == {"main": 7.0}


def test_a_queue_that_a_pick_empties_counts_as_empty() -> None:
    picked = pick(snapshot(head(1), head(2, jobs=2), free=[pool(slots=3)]))

    assert picked.turns["main", 1].was_waiting is False


def test_standby_runs_only_when_nobody_else_could() -> None:
    lines = {1: Line(tier="standby", kind="k"), 2: Line(tier="pro", kind="k")}

    picked = pick(snapshot(head(1), head(2, line=2), lines=lines, free=[pool(slots=2)]))

    assert _owners(picked) == [2, 1]


def test_standby_runs_in_a_pool_that_nobody_else_can_use() -> None:
    lines = {1: Line(tier="standby", kind="small"), 2: Line(tier="pro", kind="large")}
    free = [pool("a", kinds="small"), pool("b", kinds="large small")]

    picked = pick(snapshot(head(1, jobs=2), head(2, line=2), lines=lines, free=free))

    assert [(grant.pool, grant.owner_id.int) for grant in picked.grants] == [("a", 1), ("b", 2)]


def test_an_owner_at_the_limit_waits() -> None:
    picked = pick(snapshot(head(1, room=1, jobs=2), free=[pool(slots=2)]))

    assert len(picked.grants) == 1


def test_an_owners_room_counts_over_all_lines() -> None:
    lines = {1: Line(tier="pro", kind="k"), 2: Line(tier="pro", kind="l")}
    free = [pool("a", slots=2), pool("b", slots=2, kinds="l")]

    picked = pick(
        snapshot(head(1, room=2, jobs=2), head(1, line=2, room=2, jobs=2), lines=lines, free=free)
    )

    assert len(picked.grants) == 2


def test_a_pool_grants_only_what_it_can_run() -> None:
    assert pick(snapshot(head(1), free=[pool("other", kinds="another")])).grants == ()


def test_the_least_flexible_pool_is_filled_first() -> None:
    lines = {1: Line(tier="pro", kind="k"), 2: Line(tier="pro", kind="l")}
    free = [pool("a", kinds="k l"), pool("b", kinds="k")]

    picked = pick(snapshot(head(1), head(2, line=2, tag=1.0), lines=lines, free=free))

    assert {grant.pool: grant.owner_id.int for grant in picked.grants} == {"a": 2, "b": 1}


def test_kinds_of_a_tier_take_turns_by_their_number_of_owners() -> None:
    lines = {1: Line(tier="pro", kind="k", owners=2), 2: Line(tier="pro", kind="l", owners=1)}
    heads = [head(1, jobs=3), head(2, jobs=3), head(3, line=2, jobs=3)]

    picked = pick(snapshot(*heads, lines=lines, free=[pool(slots=6, kinds="k l")]))

    assert sorted(_owners(picked)) == [1, 1, 2, 2, 3, 3]


def test_a_kind_that_was_idle_starts_where_the_others_are() -> None:
    lines = {1: Line(tier="pro", kind="k"), 2: Line(tier="pro", kind="l")}
    turns = {("main", 1): Turn(ledger=500.0, was_waiting=True)}
    shares = {("main", "pro"): Share(reached=500.0)}

    picked = pick(
        snapshot(
            head(1, jobs=2),
            head(2, line=2, jobs=2),
            lines=lines,
            turns=turns,
            shares=shares,
            free=[pool(slots=2, kinds="k l")],
        )
    )

    assert sorted(_owners(picked)) == [1, 2]


def test_virtual_time_is_the_largest_start_tag_granted() -> None:
    picked = pick(snapshot(head(1, tag=3.0), head(2, tag=8.0), free=[pool(slots=2)]))

    assert picked.lines[1] == (8.0, False)
    assert [grant.step for grant in picked.grants] == [10.0, 10.0]


def test_an_owner_of_twice_the_weight_gets_twice_the_jobs() -> None:
    picked = pick(snapshot(head(1, jobs=6, weight=2.0), head(2, jobs=6), free=[pool(slots=6)]))

    assert _owners(picked).count(1) == 4


PATIENT = {**TIERS, "pro": replace(TIERS["pro"], promote_after=180.0)}


def test_an_overdue_head_goes_first_and_moves_no_virtual_time() -> None:
    picked = pick(
        snapshot(head(1, since=900.0), head(2, tag=80.0, since=100.0), tiers=PATIENT, now=1000.0)
    )

    assert _owners(picked) == [2]
    assert picked.grants[0].is_promoted
    assert picked.lines[1] == (0.0, True)


def test_promotion_is_at_most_every_second_grant_of_a_line() -> None:
    whale = head(1, tag=80.0, jobs=6, since=100.0)
    others = [head(number, since=990.0) for number in range(2, 6)]

    picked = pick(snapshot(whale, *others, tiers=PATIENT, now=1000.0, free=[pool(slots=6)]))

    assert [grant.is_promoted for grant in picked.grants] == [True, False] * 3
    assert _owners(picked).count(1) == 3


def test_a_line_whose_last_grant_was_a_promotion_goes_by_tag() -> None:
    lines = {1: Line(tier="pro", kind="k", was_promoted=True)}

    picked = pick(
        snapshot(
            head(1, since=900.0),
            head(2, tag=80.0, since=100.0),
            lines=lines,
            tiers=PATIENT,
            now=1000.0,
        )
    )

    assert _owners(picked) == [1]


def test_reserved_slots_are_left_to_those_who_pay() -> None:
    free = [pool(slots=1, reserved=(2, 3))]

    picked = pick(snapshot(head(2, line=2, jobs=3), lines=ENTERPRISE_AND_FREE, free=free))

    assert [grant.slot for grant in picked.grants] == [1]


def test_who_pays_leaves_the_other_slots_to_all() -> None:
    free = [pool(slots=2, reserved=(3,))]

    picked = pick(snapshot(head(1), head(2, line=2, jobs=2), lines=ENTERPRISE_AND_FREE, free=free))

    assert {grant.slot: grant.owner_id.int for grant in picked.grants} == {3: 1, 1: 2, 2: 2}


def test_who_failed_in_the_reserved_slot_takes_another() -> None:
    free = [pool(slots=1, reserved=(2,))]

    picked = pick(snapshot(head(1, tried=("main", 2)), free=free))

    assert [grant.slot for grant in picked.grants] == [1]


def test_a_slot_of_another_pool_is_no_reason_to_avoid_its_number() -> None:
    picked = pick(snapshot(head(1, tried=("other", 1)), free=[pool(slots=2)]))

    assert [grant.slot for grant in picked.grants] == [1]


def test_a_tier_that_finds_only_reserved_slots_keeps_what_it_lacks() -> None:
    turns = {("main", 2): Turn(was_waiting=True)}
    shares = {("main", "free"): Share(settled=1.0)}

    picked = pick(
        snapshot(
            head(2, line=2),
            free=[pool(slots=0, reserved=(1,), floor=90.0)],
            lines=ENTERPRISE_AND_FREE,
            shares=shares,
            turns=turns,
        )
    )

    assert (picked.grants, picked.lifts) == ((), {})
    assert picked.turns["main", 2].was_waiting


def test_a_line_that_is_being_written_waits_and_gets_nothing() -> None:
    lines = {1: Line(tier="pro", kind="k", is_busy=True), 2: Line(tier="free", kind="k")}
    turns = {("main", 1): Turn(was_waiting=True)}

    picked = pick(snapshot(head(2, line=2), lines=lines, turns=turns, free=[pool(slots=2)]))

    assert _owners(picked) == [2]
    assert picked.turns["main", 1].was_waiting


def test_a_batch_ends_where_the_next_job_was_not_read() -> None:
    picked = pick(snapshot(head(1, jobs=1, has_more=True), head(2, tag=50.0), free=[pool(slots=3)]))

    assert (_owners(picked), picked.is_cut) == ([1], True)


def test_a_batch_ends_where_the_next_lane_was_not_read() -> None:
    lines = {1: Line(tier="pro", kind="k", read_to=(4.0, owner(2)))}

    picked = pick(
        snapshot(head(1, tag=1.0, jobs=2), head(2, tag=4.0), lines=lines, free=[pool(slots=3)])
    )

    assert (_owners(picked), picked.is_cut) == ([1, 2], True)


def test_a_batch_ends_where_an_older_overdue_head_may_be_unread() -> None:
    lines = {1: Line(tier="pro", kind="k", overdue_read_to=(50.0, owner(2)))}

    picked = pick(snapshot(head(1, since=100.0), lines=lines, tiers=PATIENT, now=1000.0))

    assert (picked.grants, picked.is_cut) == ((), True)


def test_a_full_batch_says_that_there_is_more() -> None:
    assert pick(snapshot(head(1, jobs=3), free=[pool(slots=3)]), most=2).is_cut
    assert not pick(snapshot(head(1, jobs=2), free=[pool(slots=3)]), most=2).is_cut


def test_the_order_of_rows_does_not_matter() -> None:
    heads = [head(number, tag=float(number % 3)) for number in range(1, 8)]

    assert pick(snapshot(*heads, free=[pool(slots=4)])) == pick(
        snapshot(*reversed(heads), free=[pool(slots=4)])
    )


def test_no_slot_is_given_twice() -> None:
    picked = pick(snapshot(*[head(number, jobs=2) for number in range(1, 5)], free=[pool(slots=5)]))

    assert sorted(grant.slot for grant in picked.grants) == [1, 2, 3, 4, 5]
    assert len({grant.job_id for grant in picked.grants}) == 5


@pytest.mark.parametrize("weight", [0.0, 5.0])
def test_a_tier_alone_gets_everything(weight: float) -> None:
    picked = pick(
        snapshot(head(1, jobs=4), tiers={"pro": Tier(weight=weight)}, free=[pool(slots=4)])
    )

    assert len(picked.grants) == 4
