"""Sweeps that learn, expire and bound: by state, as often as they are rung."""

import pytest
from django.db import connection

from jobs import transitions
from jobs.ids import JobId
from jobs.models import Job, JobTransition, Pool, RetryBudget, RunTime
from scheduler import sweeps
from tests.factories import (
    VIDEO,
    ann,
    dispatched,
    expire_lease,
    learned,
    past_deadline,
    queued,
    running,
    running_for,
    silent,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_normal_is_learned_from_what_ran() -> None:
    owner = ann()
    Pool.objects.update(slots=6)
    for seconds in (10, 20, 30):
        job = running(owner)
        running_for(job, seconds)
        transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    assert sweeps.learn_run_times() == 1
    assert sweeps.learn_run_times() == 1

    found = RunTime.objects.get()
    assert (found.count, found.pool_name, found.model) == (3, "preview", "preview")
    assert found.median == pytest.approx(20, abs=2)
    assert found.p99 == pytest.approx(30, abs=2)


def test_a_few_runs_do_not_overrule_many() -> None:
    learned(500)
    job = running(ann())
    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    sweeps.learn_run_times()

    assert RunTime.objects.get().p99 == 500


def test_jobs_that_waited_too_long_expire_and_cost_nothing() -> None:
    owner = ann()
    for field in ("start_by", "finish_by"):
        past_deadline(queued(owner), field=field)
    in_time = queued(owner)
    Job.objects.filter(id=in_time).update(start_by="2999-01-01T00:00:00Z")

    assert sweeps.expire_waiting() == 2

    assert sorted(Job.objects.values_list("state", flat=True)) == ["expired", "expired", "queued"]
    assert set(Job.objects.values_list("credits_charged", flat=True)) == {0}


def test_a_pool_s_retries_are_bounded_and_none_is_lost() -> None:
    owner = ann()
    Pool.objects.update(slots=6)
    jobs = [silent(owner) for _ in range(6)]
    RetryBudget.objects.create(pool_id="preview", tokens=0.5)

    sweeps.rescue_silent_workers(lambda: 0.5)

    waits = JobTransition.objects.filter(to_state="queued", attempt=1)
    delays = sorted(
        (job.due_at - waits.get(job=job).at).total_seconds()
        for job in Job.objects.filter(id__in=[job.id for job in jobs])
        if job.due_at
    )
    # One a minute comes back to a pool of six; each waits for its own.
    assert [round(delay / 30) for delay in delays] == [1, 3, 5, 7, 9, 10]


def test_a_thousand_rows_of_history_do_not_hide_a_stuck_one() -> None:
    owner = ann()
    Pool.objects.update(slots=500)
    with connection.cursor() as cursor:
        cursor.execute("update tier set running_limit = null, queued_limit = null")
    jobs = [queued(owner) for _ in range(250)]
    from scheduler import dispatch

    while dispatch.grant_free_slots():
        pass
    for job_id in jobs:
        expire_lease(job_id)

    assert sweeps.rescue_silent_workers(lambda: 0.5) == 250


def test_a_time_to_start_holds_also_after_a_grant_that_nobody_took() -> None:
    job = dispatched(ann())
    expire_lease(job.id)
    sweeps.rescue_silent_workers(lambda: 0.0)
    past_deadline(job.id, field="start_by")

    sweeps.expire_waiting()

    assert Job.objects.get(id=job.id).state == "expired"
