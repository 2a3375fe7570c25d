"""A lane's figures follow the backlog through everything that happens to its jobs."""

from datetime import timedelta

import pytest

from jobs import transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Backlog, Job, Lane, Pool, SlotUse
from scheduler import dispatch, invariants, sweeps
from tests.factories import VIDEO, ann, bob, end_attempt, past_deadline, queued, reach

pytestmark = pytest.mark.django_db(transaction=True)


def _lane() -> tuple[int, float, object]:
    lane = Lane.objects.get()
    return lane.state, lane.work, lane.head_id


def test_the_first_job_is_the_head_and_its_work_is_counted() -> None:
    owner = ann()
    first, second = queued(owner), queued(owner)

    lane = Lane.objects.get()

    cost = Job.objects.get(id=first).estimate
    assert (lane.work, lane.head_id, lane.head_cost) == (2 * cost, first, cost)
    assert lane.head_since == Backlog.objects.get(job_id=first).since
    assert second != first


def test_a_cancel_takes_its_work_along_and_the_last_one_empties_the_lane() -> None:
    owner = ann()
    first, second, third = (queued(owner) for _ in range(3))
    cost = Job.objects.get(id=first).estimate

    transitions.cancel(second, owner_id=owner.id)
    after_second = _lane()
    transitions.cancel(first, owner_id=owner.id)
    after_first = _lane()
    past_deadline(third, field="start_by")
    transitions.expire(third)

    assert (after_second, after_first) == ((1, 2 * cost, first), (1, cost, third))
    assert _lane() == (0, 0, None)


def test_a_retry_that_comes_back_is_first_of_its_lane_again() -> None:
    owner = ann()
    Pool.objects.update(slots=1)
    first = queued(owner)
    dispatch.grant_free_slots()
    later = queued(owner)
    end_attempt(Job.objects.get(id=first), FailureKind.WORKER_LOST)
    Job.objects.filter(id=first).update(due_at="2020-01-01T00:00:00Z")

    sweeps.return_due_retries()

    lane, job = Lane.objects.get(), Job.objects.get(id=first)
    assert (lane.head_id, lane.head_since) == (first, job.created_at)
    assert lane.work == job.estimate + Job.objects.get(id=later).estimate
    assert invariants.violations(grace=3600) == []


def test_a_retry_of_an_idle_owner_starts_level_with_its_line() -> None:
    owner = ann()
    job_id = queued(owner)
    dispatch.grant_free_slots()
    end_attempt(Job.objects.get(id=job_id), FailureKind.WORKER_LOST)
    Job.objects.filter(id=job_id).update(due_at="2020-01-01T00:00:00Z")
    reach(500)

    sweeps.return_due_retries()

    assert Lane.objects.get().tag == 500


def test_what_waits_at_the_limit_is_not_the_others_doing() -> None:
    owner = bob()
    Pool.objects.update(slots=4)
    for _ in range(3):
        queued(owner)
    Backlog.objects.update(since="2020-01-01T00:00:00Z")
    sweeps.mend_lanes()
    first = dispatch.grant_free_slots()[0]

    transitions.succeed(JobId(first.job_id), attempt=1, video=VIDEO)

    lane, finished = Lane.objects.get(), Job.objects.get(id=first.job_id).finished_at
    assert finished is not None
    # 0.24 of the bound of 1200 seconds.
    assert lane.counts_from == lane.head_since == finished - timedelta(seconds=288)
    assert invariants.violations(grace=3600) == []


def test_an_attempt_s_time_goes_to_its_tier_and_ours_costs_the_owner_no_turn() -> None:
    owner = ann()
    Pool.objects.update(slots=2)
    mine, lost = queued(owner), queued(owner)
    dispatch.grant_free_slots()
    before = Lane.objects.get().tag
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("update lease set granted_at = granted_at - interval '90 seconds'")
    transitions.end_attempt(
        lost, attempt=1, failure=FailureKind.WORKER_LOST, message="", jitter=0.5
    )
    after_loss = Lane.objects.get().tag
    transitions.succeed(mine, attempt=1, video=VIDEO)

    cost = Job.objects.get(id=mine).estimate
    assert after_loss == pytest.approx(before - cost)
    assert Lane.objects.get().tag == pytest.approx(after_loss - cost + 90, abs=1)
    used = SlotUse.objects.values_list("pool_name", "tier_name", "service")
    assert [(pool, tier, round(service, 1)) for pool, tier, service in used] == [
        ("preview", "pro", 3.0)
    ] * 2
