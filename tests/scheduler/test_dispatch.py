"""Grants on the database: slots, limits, lanes, and what a second dispatcher may not do."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from jobs import transitions
from jobs.grants import GRANT
from jobs.ids import JobId
from jobs.models import Job, Lane, LaneState, Lease, Line, Pool, PoolState, Tier
from jobs.states import JobState
from scheduler import dispatch, sweeps, ticks
from tests.factories import VIDEO, ann, bob, cy, expire_lease, queued

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
    for _ in range(30):
        transitions.cancel(queued(owner), owner_id=owner.id)

    queued(owner)

    assert (
        Lane.objects.get(owner_id=owner.id).tag
        == Line.objects.get(tier="pro", kind="preview").virtual_time
    )


def test_two_dispatchers_cannot_give_the_same_slot() -> None:
    owner = ann()
    first, second = queued(owner), queued(owner)
    values: dict[str, Any] = {"pools": ["preview"], "slots": [1], "lease": 30}
    with connection.cursor() as cursor:
        cursor.execute(GRANT, {"jobs": [first], **values})

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(GRANT, {"jobs": [second], **values})

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


def test_a_granted_attempt_that_nobody_took_is_rung_again() -> None:
    queued(ann())
    granted = dispatch.grant_free_slots()
    with connection.cursor() as cursor:
        cursor.execute("update lease set granted_at = now() - interval '10 seconds'")

    assert dispatch.untaken() == granted


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
