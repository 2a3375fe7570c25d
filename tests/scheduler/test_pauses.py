"""How long a tier that waits starts nothing: pure, without a database."""

import pytest

from scheduler.fairness import pick
from scheduler.rows import Line, Picked, Share
from tests.scheduler.heads import head, pool, snapshot

ENTERPRISE_AND_FREE = {1: Line(tier="enterprise", kind="k"), 2: Line(tier="free", kind="k")}


def _owners(picked: Picked) -> list[int]:
    return [grant.owner_id.int for grant in picked.grants]


# Of forty slots enterprise lacks its part; free is ahead of its weight, as after it used what others left.
BORROWED = {
    ("main", "enterprise"): Share(held=20, newest=90.0, settled=70.0),
    ("main", "free"): Share(held=19, newest=55.0),
}


@pytest.mark.parametrize(("now", "expected"), [(94.0, 1), (96.0, 2)])
def test_while_slots_go_back_nobody_pauses_for_more_than_forty_seconds(
    now: float, expected: int
) -> None:
    picked = pick(
        snapshot(head(1), head(2, line=2), lines=ENTERPRISE_AND_FREE, shares=BORROWED, now=now)
    )

    assert _owners(picked) == [expected]


def test_one_start_ends_a_pause() -> None:
    picked = pick(
        snapshot(
            head(1, jobs=2),
            head(2, line=2, jobs=2),
            free=[pool(slots=2)],
            lines=ENTERPRISE_AND_FREE,
            shares=BORROWED,
            now=96.0,
        )
    )

    assert _owners(picked) == [2, 1]


def test_a_tier_far_ahead_of_its_weight_pauses_on() -> None:
    shares = {**BORROWED, ("main", "enterprise"): Share(held=20, newest=90.0)}

    picked = pick(
        snapshot(head(1), head(2, line=2), lines=ENTERPRISE_AND_FREE, shares=shares, now=96.0)
    )

    assert _owners(picked) == [1]


def test_a_tier_with_a_slot_or_less_has_long_pauses_by_right() -> None:
    # Of two slots in all, free's part is a seventh of one.
    shares = {
        ("main", "enterprise"): Share(held=1, newest=490.0),
        ("main", "free"): Share(settled=2.0, newest=0.0),
    }

    picked = pick(
        snapshot(head(1), head(2, line=2), lines=ENTERPRISE_AND_FREE, shares=shares, now=500.0)
    )

    assert _owners(picked) == [1]
