"""What the pick keeps whatever happens: properties over random histories, without a database."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import lane_tags
from scheduler import capacity
from scheduler.fairness import LOOK_AHEAD, pick
from scheduler.rows import Snapshot
from scheduler.simulation.fleet import TIERS
from tests.scheduler.toys import NO_LIMITS, STANDBY, Toy, pool, toy

POOLS = (pool("a", slots=3, kinds="k"), pool("b", slots=2, kinds="k l"))
WITH_STANDBY = {**TIERS, "standby": STANDBY}
MOVES = st.lists(
    st.one_of(
        st.tuples(
            st.just("submit"),
            st.integers(1, 9),
            st.sampled_from(["k", "l"]),
            st.floats(1.0, 60.0),
        ),
        st.tuples(st.just("finish"), st.booleans()),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("wait"), st.floats(0.0, 400.0)),
        st.tuples(st.just("slots"), st.sampled_from(["a", "b"]), st.integers(0, 4)),
        st.tuples(st.just("grant")),
        st.tuples(st.just("many"), st.integers(1, 9), st.integers(2, 30)),
    ),
    min_size=10,
    max_size=120,
)
# An owner is in one tier, as in life.
TIER_OF = dict(enumerate(["free", "pro", "enterprise"] * 3, start=1)) | {9: "standby"}
PLENTY = settings(max_examples=120, deadline=None)


def _move(play: Toy, move: tuple) -> None:  # type: ignore[type-arg]  # noqa: C901
    match move:
        case ("submit", owner, kind, run):
            play.submit(owner, tier=TIER_OF[owner], kind=kind, run=run, estimate=61.0 - run)
        case ("many", owner, count):
            for number in range(count):
                play.submit(owner, tier=TIER_OF[owner], run=5.0 + number)
        case ("finish", is_ours):
            play.finish_next(is_ours=is_ours)
        case ("cancel", index):
            if play.waiting:
                play.cancel(play.waiting[index % len(play.waiting)])
        case ("wait", seconds):
            play.now += seconds
        case ("slots", name, slots):
            play.pools[name].slots = slots
        case _:
            play.grant()


def _histories() -> Toy:
    return toy(*POOLS, tiers=WITH_STANDBY)


@PLENTY
@given(moves=MOVES)
def test_never_more_than_there_are_slots_or_an_owner_may_run(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    play = _histories()
    for move in moves:
        before = {name: row.running for name, row in play.pools.items()}
        _move(play, move)
        for name, row in play.pools.items():
            # A cut lets run what runs, and starts nothing until it fits.
            assert row.running <= max(row.slots, before[name])
        running = Counter(job.call.owner for _, job in play.running)
        for owner, count in running.items():
            limit = WITH_STANDBY[TIER_OF[owner]].running_limit
            assert limit is None or count <= limit


@PLENTY
@given(moves=MOVES)
def test_no_slot_stays_free_that_something_could_use(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    play = _histories()
    for move in moves:
        _move(play, move)
        play.grant()
        for row in play.pools.values():
            assert row.running >= row.slots or not play.policy.eligible_tiers(row.kinds)


@PLENTY
@given(moves=MOVES)
def test_the_size_of_batches_does_not_change_the_grants(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    plays = [toy(*POOLS, tiers=WITH_STANDBY, batch=batch) for batch in (1, 10, 50)]
    for move in moves:
        for play in plays:
            _move(play, move)
    for play in plays:
        play.grant()

    assert plays[0].granted == plays[1].granted == plays[2].granted


@PLENTY
@given(moves=MOVES, seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_change_the_grants(moves: list[tuple], seed: int) -> None:  # type: ignore[type-arg]
    play = _histories()
    for move in moves:
        _move(play, move)
    found = _snapshot(play)
    heads, free = list(found.heads), list(found.free)
    Random(seed).shuffle(heads)
    Random(seed).shuffle(free)

    assert pick(replace(found, heads=heads, free=free)) == pick(found)


def _snapshot(play: Toy) -> Snapshot:
    rows = [
        capacity.PoolRow(
            name=row.name, slots=row.slots, kinds=row.kinds, used=frozenset(range(row.running))
        )
        for row in play.pools.values()
    ]
    free = [slots for row in rows if (slots := capacity.free_slots(row)) is not None]
    return play.policy.snapshot(free, play.now)


@PLENTY
@given(moves=MOVES)
def test_time_in_a_line_only_goes_forward_and_promotions_do_not_move_it(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    play = _histories()
    for move in moves:
        _move(play, move)
        before = {line.number: line.virtual_time for line in play.policy.lines.values()}
        picked = pick(_snapshot(play))
        for number, (virtual_time, _) in picked.lines.items():
            normal = [g.tag for g in picked.grants if g.line_id == number and not g.is_promoted]
            assert virtual_time == max([before[number], *normal])
        for line in play.policy.lines.values():
            promoted = [g.is_promoted for g in picked.grants if g.line_id == line.number]
            assert not any(a and b for a, b in pairwise(promoted))
            assert not (line.was_promoted and promoted and promoted[0])


@PLENTY
@given(moves=MOVES)
def test_a_lane_is_ready_exactly_if_it_waits_and_its_owner_has_room(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    play = _histories()
    for move in moves:
        _move(play, move)
        running = Counter(job.call.owner for _, job in play.running)
        for line in play.policy.lines.values():
            limit = WITH_STANDBY[line.tier].running_limit
            for owner, lane in line.lanes.items():
                has_room = limit is None or running[owner] < limit
                assert lane.is_ready == bool(lane.jobs and has_room)
            assert len(line.ready) == len(line.oldest)
            assert line.work == pytest.approx(
                sum(job.call.estimate for lane in line.lanes.values() for job in lane.jobs)
            )


@PLENTY
@given(first=st.floats(5.0, 60.0), second=st.floats(5.0, 60.0), error=st.floats(0.5, 2.0))
def test_two_owners_who_always_wait_get_the_same_time(
    first: float, second: float, error: float
) -> None:
    play = toy(pool(slots=2), tiers=NO_LIMITS)
    for _ in range(60):
        play.submit(1, run=first, estimate=first * error)
        play.submit(2, run=second)
    served: Counter[int] = Counter()
    for _ in range(40):
        play.grant()
        ended = min(play.running, key=lambda each: (each[0], each[1].number))[1]
        play.finish_next()
        served[ended.call.owner] += round(ended.call.run * 1000)

    # One estimate of each, and what is wrong in the estimates of the two slots.
    in_flight = 2 * max(first * max(error, 1.0), second)
    assert abs(served[1] - served[2]) / 1000 <= first * error + second + first + in_flight


@PLENTY
@given(runs=st.lists(st.floats(5.0, 120.0), min_size=30, max_size=30), slots=st.integers(2, 12))
def test_tiers_that_always_wait_get_their_weight(runs: list[float], slots: int) -> None:
    play = toy(pool(slots=slots), tiers=NO_LIMITS)
    for tier in NO_LIMITS:
        for number, run in enumerate(runs * 4):
            play.submit(100 + number % 3 + 10 * NO_LIMITS[tier].rank, tier=tier, run=run)
    for _ in range(60):
        play.grant()
        play.finish_next()

    policy = play.policy
    service, held = {}, {}
    for tier, rules in NO_LIMITS.items():
        key = "main", tier
        held[tier] = (policy.held[key] + 1) / rules.weight
        elapsed = policy.held[key] * play.now - policy.begun[key]
        service[tier] = policy.settled[key] + elapsed / rules.weight
    span = max(service.values()) - min(service.values())
    assert span <= (LOOK_AHEAD + max(runs)) * max(held.values())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 99))
def test_an_idle_time_saves_up_nothing(seed: int) -> None:
    # One longest run.
    assert _longest_gap(seed, idle=True) <= _longest_gap(seed, idle=False) + 60.0


def _longest_gap(seed: int, *, idle: bool) -> float:
    play, random = toy(pool(slots=12), tiers=NO_LIMITS), Random(seed)
    for _ in range(1500):
        play.submit(1, tier="pro", run=random.uniform(20, 60))
        play.submit(2, tier="free", run=random.uniform(20, 60))
    last, longest, flooded = {"pro": 0.0, "free": 0.0}, 0.0, False
    while play.now < 3000:
        if idle and play.now < 1800 and random.random() < 0.05:
            play.submit(3, tier="enterprise", run=40.0)
        if not flooded and play.now >= 1800:
            flooded = True
            for _ in range(800):
                play.submit(4, tier="enterprise", run=random.uniform(20, 60))
        for job in play.grant():
            tier = job.call.tier
            if tier in last:
                longest = max(longest, play.now - last[tier]) if flooded else longest
                last[tier] = play.now
        play.finish_next()
    return longest


def test_a_thousand_cancelled_jobs_leave_no_trace() -> None:
    play = toy(pool(slots=0), tiers=NO_LIMITS)
    clean = toy(pool(slots=0), tiers=NO_LIMITS)
    for job in [play.submit(1) for _ in range(1000)]:
        play.cancel(job)

    play.submit(1)
    clean.submit(1)

    tags = [each.policy.lines["pro", "k"].lanes[1].tag for each in (play, clean)]
    assert tags[0] == tags[1]


def test_a_retry_is_first_of_its_lane_again() -> None:
    play = toy(pool(slots=1), tiers=NO_LIMITS)
    first = play.submit(1)
    play.submit(1)
    play.grant()
    play.finish_next(is_ours=True)

    play.waiting.append(first)
    play.policy.add(first)

    assert play.grant() == [first]


@given(
    tag=st.floats(0, 1e5),
    estimate=st.floats(0, 1e5),
    charged=st.floats(0, 1e4),
    v=st.floats(0, 1e5),
)
def test_a_refund_never_leaves_a_tag_far_behind(
    tag: float, estimate: float, charged: float, v: float
) -> None:
    found = lane_tags.corrected(tag=tag, estimate=estimate, charged=charged, virtual_time=v)

    assert found >= v - lane_tags.LARGEST_REFUND


@PLENTY
@given(flood=st.integers(0, 60), seed=st.integers(0, 99))
def test_a_flood_changes_nothing_for_lines_of_other_pools(flood: int, seed: int) -> None:
    calm, flooded = _beside(0, seed), _beside(flood, seed)

    def of_k(play: Toy) -> list[tuple[float, str, int]]:
        return [start for start in play.starts if start[2] < 100]

    assert of_k(calm) == of_k(flooded)


def _beside(flood: int, seed: int) -> Toy:
    play, random = (
        toy(pool("a", slots=2), pool("b", slots=2, kinds="l"), tiers=NO_LIMITS),
        Random(seed),
    )
    for number in range(30):
        tier = random.choice(["free", "pro", "enterprise"])
        play.submit(1 + number % 5, tier=tier, run=float(random.randrange(5, 60)))
    for number in range(flood):
        play.submit(100 + number % 7, tier="pro", kind="l", run=33.0)
    while play.running or play.waiting:
        play.grant()
        play.finish_next()
    return play


def test_capacity_goes_to_nothing_and_comes_back() -> None:
    play = toy(pool(slots=4))
    jobs = [play.submit(owner, tier="pro") for owner in range(1, 9)]
    play.grant()
    play.pools["main"].slots = 0
    for _ in range(4):
        play.finish_next()
        assert play.grant() == []

    play.pools["main"].slots = 4
    play.grant()

    assert [number for number, _ in play.granted] == [job.number for job in jobs]


def test_half_the_slots_grant_nothing_until_leases_fit() -> None:
    play = toy(pool(slots=4))
    for owner in range(1, 9):
        play.submit(owner, run=10.0 * owner)
    play.grant()
    play.pools["main"].slots = 2

    granted = []
    for _ in range(3):
        play.finish_next()
        granted.append(len(play.grant()))

    assert granted == [0, 0, 1]


def test_a_whale_past_the_door_is_not_promoted() -> None:
    play = toy(pool(slots=1))
    for _ in range(150):
        play.submit(1, run=5.0)
    play.now = 4000.0
    assert not play.policy.snapshot(_snapshot(play).free, play.now).heads[0].has_promise


def test_a_lane_just_released_from_its_limit_is_not_overdue_at_once() -> None:
    # Of its patience, 0.4 of the bound, 0.6 are its owner's own doing.
    assert lane_tags.counts_from(held_until=1000.0, bound=250.0) == 940.0
    assert lane_tags.counts_from(held_until=1000.0, bound=None) == 1000.0
