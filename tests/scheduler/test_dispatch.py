"""Grants on the database: slots, limits, lanes, and what a second dispatcher may not do."""

import time
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from jobs import grants, transitions
from jobs.ids import JobId
from jobs.models import Job, Lane, LaneState, Lease, Pool, PoolState, Tier
from jobs.states import JobState
from scheduler import dispatch, progress, sweeps, ticks
from scheduler.board import Memory
from tests.factories import VIDEO, ann, bob, cy, expire_lease, queued, reach

pytestmark = pytest.mark.django_db(transaction=True)


def test_free_slots_are_filled_and_no_more() -> None:
    owner = ann()
    for _ in range(5):
        queued(owner)

    granted = dispatch.grant_free_slots()

    assert len(granted) == 2
    assert Lease.objects.count() == 2
    assert dispatch.grant_free_slots() == []


def test_owners_take_turns() -> None:
    whale, other = ann(), bob()
    Pool.objects.update(slots=4)
    for _ in range(6):
        queued(whale)
    queued(other)

    dispatch.grant_free_slots()

    assert Lease.objects.filter(owner_id=other.id).count() == 1


def test_a_paused_pool_gets_nothing() -> None:
    queued(ann())
    Pool.objects.update(state=PoolState.PAUSED)

    assert dispatch.grant_free_slots() == []


def test_a_cut_of_capacity_grants_nothing_until_leases_fit_below_it() -> None:
    owner = cy()
    Pool.objects.update(slots=4)
    for _ in range(6):
        queued(owner)
    while dispatch.grant_free_slots():
        pass
    Pool.objects.update(slots=2)
    finished = Lease.objects.order_by("slot").first()
    assert finished is not None
    transitions.succeed(JobId(finished.job_id), attempt=1, video=VIDEO)

    assert dispatch.grant_free_slots() == []
    assert Lease.objects.count() == 3


def test_an_owner_at_the_limit_leaves_the_index_and_comes_back() -> None:
    owner = bob()
    Pool.objects.update(slots=4)
    for _ in range(3):
        queued(owner)
    first = dispatch.grant_free_slots()
    lane = Lane.objects.get(owner_id=owner.id)

    transitions.succeed(JobId(first[0].job_id), attempt=1, video=VIDEO)

    assert (len(first), lane.state) == (2, LaneState.AT_LIMIT)
    assert len(dispatch.grant_free_slots()) == 1


def test_an_empty_lane_is_closed_and_a_submit_opens_it() -> None:
    owner = ann()
    queued(owner)
    dispatch.grant_free_slots()
    closed = Lane.objects.get(owner_id=owner.id).state

    queued(owner)

    assert closed == LaneState.EMPTY
    assert Lane.objects.get(owner_id=owner.id).state == LaneState.READY


def test_a_canceled_queue_leaves_no_debt() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(queued_limit=None)
    reach(70, tier="pro")
    for _ in range(30):
        transitions.cancel(queued(owner), owner_id=owner.id)

    queued(owner)

    assert Lane.objects.get(owner_id=owner.id).tag == 70


@pytest.mark.parametrize(
    ("slot", "number"), [(1, 1), (2, 0)], ids=["the same slot", "from the same row of progress"]
)
def test_of_two_dispatchers_that_saw_the_same_one_fails(slot: int, number: int) -> None:
    owner = ann()
    first, second = queued(owner), queued(owner)
    nothing = progress.columns(progress.Progress(), progress.Progress())
    same: dict[str, Any] = {**nothing, "pools": ["preview"], "steps": [1.0], "used": []}
    same |= {"lane_owners": [], "lane_lines": []}
    grants.write(jobs=[first], **{**same, "slots": [1]})

    with pytest.raises(IntegrityError), transaction.atomic():
        grants.write(jobs=[second], **{**same, "slots": [slot], "progress": number})

    assert Job.objects.get(id=second).state == JobState.QUEUED


def test_a_silent_worker_is_rescued_and_its_job_runs_again() -> None:
    job_id = queued(ann())
    dispatch.grant_free_slots()
    expire_lease(job_id)

    assert sweeps.rescue_silent_workers(lambda: 0.0) == 1
    assert sweeps.rescue_silent_workers(lambda: 0.0) == 0
    assert sweeps.return_due_retries() == 1
    assert sweeps.return_due_retries() == 0
    again = dispatch.grant_free_slots()

    assert [(bell.job_id, bell.attempt) for bell in again] == [(job_id, 2)]


@pytest.mark.parametrize(("slots", "again"), [(1, [1]), (2, [2, 1]), (3, [2, 3, 1])])
def test_a_retry_takes_another_slot_where_one_is_free(slots: int, again: list[int]) -> None:
    # Their worker was killed while they had every slot; of one slot there is no other.
    owner = ann()
    Pool.objects.update(slots=slots)
    jobs = [queued(owner) for _ in range(slots)]
    dispatch.grant_free_slots()
    for job_id in jobs:
        expire_lease(job_id)
    sweeps.rescue_silent_workers(lambda: 0.0)
    sweeps.return_due_retries()

    dispatch.grant_free_slots()

    slot_of = dict(Lease.objects.values_list("job_id", "slot"))
    assert [slot_of[job_id] for job_id in jobs] == again


def test_a_lane_that_was_left_closed_is_mended() -> None:
    queued(ann())
    Lane.objects.update(state=LaneState.EMPTY, work=7, head_cost=None)

    assert (sweeps.mend_lanes(), sweeps.mend_lanes()) == (1, 0)
    assert len(dispatch.grant_free_slots()) == 1


def test_a_raised_limit_opens_the_lane_again() -> None:
    owner = bob()
    Pool.objects.update(slots=4)
    for _ in range(4):
        queued(owner)
    dispatch.grant_free_slots()
    Tier.objects.update(running_limit=3)

    assert (sweeps.reopen_lanes(), sweeps.reopen_lanes()) == (1, 0)
    assert len(dispatch.grant_free_slots()) == 1


def test_a_tick_belongs_to_one_beat() -> None:
    claims = [ticks.claim("test", period=3600) for _ in range(3)]

    assert claims == [True, False, False]


def test_after_a_stalled_reading_the_front_of_a_line_is_soon_read_again() -> None:
    memory = Memory()
    memory.refresh()
    # As if the database had answered after ten minutes.
    memory.read_at -= 600
    memory.note_read()
    memory.lows[1] = 70.0
    memory.read_at = time.monotonic() - 2.1

    memory.refresh()

    assert memory.lows == {}
