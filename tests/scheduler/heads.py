"""Snapshots for the tests of the pure policy, in few words."""

from uuid import UUID

from scheduler.rows import FreeSlots, Head, Line, Share, Snapshot, Tier, Turn, Waiting

TIERS = {
    "enterprise": Tier(weight=60),
    "pro": Tier(weight=30),
    "free": Tier(weight=10, is_paid=False),
    "standby": Tier(weight=0, is_paid=False),
}


def owner(number: int) -> UUID:
    return UUID(int=number)


def head(
    number: int,
    *,
    line: int = 1,
    tag: float = 0.0,
    room: int | None = None,
    jobs: int = 1,
    cost: float = 10.0,
    since: float = 0.0,
    has_more: bool = False,
    weight: float = 1.0,
    tried: tuple[str, int] | None = None,
) -> Head:
    return Head(
        owner_id=owner(number),
        line_id=line,
        tag=tag,
        room=room,
        jobs=tuple(
            Waiting(
                job_id=UUID(int=number * 1000 + line * 100 + place),
                cost=cost,
                since=since,
                tried=tried,
            )
            for place in range(jobs)
        ),
        has_more=has_more,
        weight=weight,
    )


def pool(
    name: str = "main",
    *,
    slots: int = 1,
    kinds: str = "k",
    floor: float = 0.0,
    **rest: tuple[int, ...],
) -> FreeSlots:
    return FreeSlots(
        pool=name,
        slots=tuple(range(1, slots + 1)),
        kinds=frozenset(kinds.split()),
        floor=floor,
        **rest,
    )


def snapshot(
    *heads: Head,
    free: list[FreeSlots] | None = None,
    lines: dict[int, Line] | None = None,
    shares: dict[tuple[str, str], Share] | None = None,
    turns: dict[tuple[str, int], Turn] | None = None,
    tiers: dict[str, Tier] | None = None,
    now: float = 0.0,
) -> Snapshot:
    return Snapshot(
        free=free if free is not None else [pool()],
        tiers=tiers or TIERS,
        lines=lines or {1: Line(tier="pro", kind="k")},
        heads=heads,
        shares=shares or {},
        turns=turns or {},
        now=now,
    )
