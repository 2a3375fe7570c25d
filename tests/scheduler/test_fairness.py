"""Whose job gets which slot: pure, without a database."""

from uuid import UUID

from scheduler.fairness import FreeSlots, Head, Snapshot, Waiting, pick


def _head(
    owner: int,
    *,
    tier: str = "pro",
    weight: int = 30,
    tag: float = 0.0,
    room: int | None = None,
    jobs: int = 1,
    line: int = 1,
) -> Head:
    return Head(
        owner_id=UUID(int=owner),
        line_id=line,
        tier=tier,
        weight=weight,
        kind="preview",
        tag=tag,
        room=room,
        jobs=tuple(
            Waiting(job_id=UUID(int=owner * 100 + number), cost=10.0) for number in range(jobs)
        ),
    )


def _snapshot(
    *heads: Head, slots: int = 1, held: dict[tuple[str, str], int] | None = None
) -> Snapshot:
    free = FreeSlots(pool="preview", slots=tuple(range(1, slots + 1)), kinds=frozenset({"preview"}))
    return Snapshot(free=[free], held=held or {}, heads=list(heads))


def test_a_burst_from_one_owner_does_not_starve_another() -> None:
    grants = pick(_snapshot(_head(1, jobs=2), _head(2, tag=5.0), slots=2))

    assert [grant.owner_id.int for grant in grants] == [1, 2]


def test_the_tier_that_holds_least_for_its_weight_is_next() -> None:
    enterprise = _head(1, tier="enterprise", weight=60, line=1)
    free = _head(2, tier="free", weight=10, line=2)

    grants = pick(
        _snapshot(enterprise, free, held={("preview", "enterprise"): 7, ("preview", "free"): 1})
    )

    assert grants[0].owner_id.int == 2


def test_weight_zero_runs_only_when_nobody_else_waits() -> None:
    standby = _head(1, tier="standby", weight=0, line=1)
    pro = _head(2, line=2)

    assert [grant.owner_id.int for grant in pick(_snapshot(standby, pro, slots=2))] == [2, 1]


def test_an_owner_at_the_limit_waits() -> None:
    grants = pick(_snapshot(_head(1, room=1, jobs=2), slots=2))

    assert len(grants) == 1


def test_a_pool_grants_only_what_it_can_run() -> None:
    other = FreeSlots(pool="other", slots=(1,), kinds=frozenset({"another"}))

    assert pick(Snapshot(free=[other], held={}, heads=[_head(1)])) == []


def test_the_order_of_rows_does_not_matter() -> None:
    heads = [_head(number, tag=float(number % 3)) for number in range(1, 8)]

    assert pick(_snapshot(*heads, slots=4)) == pick(_snapshot(*reversed(heads), slots=4))


def test_no_slot_is_given_twice() -> None:
    grants = pick(_snapshot(*[_head(number, jobs=2) for number in range(1, 5)], slots=5))

    assert sorted(grant.slot for grant in grants) == [1, 2, 3, 4, 5]
    assert len({grant.job_id for grant in grants}) == 5
