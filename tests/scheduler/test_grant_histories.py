"""What grants keep on the database whatever happens before them: drawn histories of everything at once."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import catalog, kinds, requests, seeds, submission, transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, Kind, Lane, LaneState, Lease, Pool, Tier
from scheduler import board, dispatch, fairness, invariants, sweeps
from scheduler.rows import Picked, Snapshot
from tests.factories import VIDEO
from tests.scheduler import clock
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)

TIER_OF = {1: "free", 2: "free", 3: "pro", 4: "pro", 5: "enterprise", 6: "standby"}
LIMITS = {"free": 2, "pro": 3, "enterprise": 4, "standby": 2}
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 6), st.sampled_from("kl"), st.integers(1, 4)),
        st.tuples(st.just("submit"), st.integers(1, 6), st.sampled_from("kl"), st.integers(1, 4)),
        st.tuples(st.sampled_from(["finish", "lose"]), st.integers(0, 9)),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("slots"), st.sampled_from("ab"), st.integers(0, 4)),
        st.tuples(st.just("grant")),
    ),
    min_size=5,
    max_size=25,
)
FEW = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FORGET = """
truncate job, job_transition, attempt, lease, backlog, lane, outbox_event, progress,
    slot_use, recovery, ledger_entry cascade;
update account set balance = 1000000000, held = 0, live_count = 0;
update pool set slots = 2;
"""


@pytest.fixture(autouse=True)
def _installed() -> Iterator[None]:
    seeds.add_tiers()
    for name, limit in LIMITS.items():
        # A bound of nothing: every head is overdue, so that promotions are drawn too.
        Tier.objects.filter(name=name).update(
            running_limit=limit,
            door_bound_seconds=0,
            queued_limit=None,
            submissions_per_minute=None,
            jobs_per_day=None,
            gpu_seconds_per_day=None,
        )
    for name, models in (("a", ["k"]), ("b", ["k", "l"])):
        Pool.objects.create(
            name=name, driver="preview", slots=2, model_names=models, seconds=[4], sizes=["854x480"]
        )
    kinds.settle()
    for number, tier in TIER_OF.items():
        User.objects.create_user(f"{number}@example.com", None, tier=tier, id=UUID(int=number))
    catalog.forget()
    with clock.standing():
        yield


@pytest.fixture
def picked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str, float, bool]]:
    """Give the grants as they are decided: owner, pool, tag, and whether out of turn."""
    found: list[tuple[int, str, float, bool]] = []
    decide = fairness.pick

    def recorded(snapshot: Snapshot, *, most: int | None = None) -> Picked:
        decided = decide(snapshot, most=most)
        found.extend((g.owner_id.int, g.pool, g.tag, g.is_promoted) for g in decided.grants)
        return decided

    monkeypatch.setattr(fairness, "pick", recorded)
    return found


def _forget() -> None:
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        for statement in FORGET.split(";\n"):
            if statement.strip():
                cursor.execute(statement)
        cursor.execute("reset session_replication_role")


def _grant(most: int) -> None:
    """Grant in batches of at most so many, until nothing fits."""
    while dispatch.grant_batch(board.Memory(), most=most).is_cut:
        pass


def _move(move: tuple, most: int) -> None:  # type: ignore[type-arg]  # drawn
    match move:
        case ("submit", owner, kind, count):
            for _ in range(count):
                asked = requests.read({"prompt": "a whale", "model": kind})
                submission.submit(asked, owner_id=UUID(int=owner))
        case ("finish" | "lose" as end, place):
            _end(place, is_lost=end == "lose")
        case ("cancel", place):
            waiting = Job.objects.filter(state="queued").order_by("id")
            if job := list(waiting)[place : place + 1]:
                transitions.cancel(JobId(job[0].id), owner_id=job[0].owner_id)
        case ("slots", name, slots):
            Pool.objects.filter(name=name).update(slots=slots)
        case _:
            _grant(most)


def _end(place: int, *, is_lost: bool) -> None:
    found = list(Lease.objects.order_by("job_id"))[place : place + 1]
    for lease in found:
        job_id = JobId(lease.job_id)
        if not is_lost:
            transitions.succeed(job_id, attempt=lease.attempt, video=VIDEO)
            continue
        transitions.end_attempt(
            job_id, attempt=lease.attempt, failure=FailureKind.WORKER_LOST, message="", jitter=0.5
        )
        Job.objects.filter(id=job_id, state="queued").update(
            due_at=datetime(2020, 1, 1, tzinfo=UTC)
        )
        sweeps.return_due_retries()


@FEW
@given(moves=MOVES)
def test_slots_and_limits_hold_and_lanes_say_so(moves: list[tuple]) -> None:  # type: ignore[type-arg]
    _forget()
    for move in moves:
        before = Counter(Lease.objects.values_list("pool_id", flat=True))
        _move(move, dispatch.BATCH)
        for pool in Pool.objects.all():
            used = Lease.objects.filter(pool=pool).count()
            # A cut lets run what runs, and starts nothing until it fits.
            assert used <= max(pool.slots, before[pool.name])
        running = Counter(Lease.objects.values_list("owner_id", flat=True))
        assert all(count <= LIMITS[TIER_OF[owner.int]] for owner, count in running.items())
    _grant(dispatch.BATCH)
    # A lane whose owner came to the limit by another line of the same batch is met at the next look.
    _grant(dispatch.BATCH)
    sweeps.reopen_lanes()

    running = Counter(Lease.objects.values_list("owner_id", flat=True))
    kinds_with_room = {
        kind
        for pool in Pool.objects.all()
        if Lease.objects.filter(pool=pool).count() < pool.slots
        for kind in Kind.objects.filter(usable__contains=[pool.name]).values_list("name", flat=True)
    }
    for lane in Lane.objects.select_related("line"):
        has_room = running[lane.owner_id] < LIMITS[lane.line.tier_id]
        # Where no slot is free, nobody has looked yet whether its owner has room.
        if lane.line.kind in kinds_with_room:
            assert lane.state != LaneState.READY
        if has_room or not lane.work:
            assert lane.state == (LaneState.READY if lane.work else LaneState.EMPTY)
    assert {found.name for found in invariants.violations(grace=10**9)} <= {
        # The books were forgotten with the jobs.
        "balance_is_the_sum",
        "never_overdrawn",
    }


@FEW
@given(moves=MOVES)
def test_the_size_of_batches_changes_no_grant(
    picked: list[tuple[int, str, float, bool]],
    moves: list[tuple],  # type: ignore[type-arg]
) -> None:
    found = []
    for most in (1, 10, 50):
        _forget()
        picked.clear()
        for number, move in enumerate([*moves, ("grant",)]):
            clock.show(8.0 * number)
            _move(move, most)
        found.append(list(picked))

    assert found[0] == found[1] == found[2]
