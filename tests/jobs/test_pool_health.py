"""Servers that are asked how they are; pools and machines that are taken out, and let back in with care."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from jobs import pool_health, transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Attempt, Job, Lease, Node, Pool, PoolChange, PoolState
from scheduler import dispatch
from tests.factories import ann, dispatched, queued, running
from tests.jobs.servers import SILENCE, ScriptedServer, server

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def _fail(kind: FailureKind = FailureKind.BACKEND_ERROR, *, node: str = "gpu-7") -> None:
    job = Job.objects.get(id=Lease.objects.latest("granted_at").job_id)
    Attempt.objects.filter(job=job, ended_at=None).update(node=node)
    transitions.end_attempt(
        JobId(job.id), attempt=job.attempt, failure=kind, message="It fell over.", jitter=0
    )


def _long_ago() -> None:
    Pool.objects.update(state_since="2020-01-01T00:00:00Z", url="http://gpu.example")


def _fail_in_a_row(count: int, *, node: str = "gpu-7") -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    for _ in range(count):
        running(owner)
        _fail(node=node)


def test_a_server_that_answers_closes_its_breaker(server: ScriptedServer) -> None:
    ann()
    Pool.objects.update(url="http://gpu.example", unanswered=7)

    asked = pool_health.check_servers(every_seconds=10)
    again = pool_health.check_servers(every_seconds=10)

    assert (asked, again) == (1, 0)
    assert Pool.objects.get().unanswered == 0


def test_a_server_that_is_silent_opens_it(server: ScriptedServer) -> None:
    ann()
    Pool.objects.update(url="http://gpu.example")
    server.sighting = SILENCE

    for _ in range(5):
        Pool.objects.update(checked_at=None)
        pool_health.check_servers(every_seconds=10)

    pool = Pool.objects.get()
    assert pool.breaker_until is not None
    assert pool.last_error == "The GPU server did not answer."


def test_a_pool_that_fails_in_a_row_is_taken_out_and_says_why() -> None:
    _fail_in_a_row(4)
    before = pool_health.judge_pools()
    running(ann_again())
    _fail()

    after = pool_health.judge_pools()

    pool = Pool.objects.get()
    assert (before, after, pool.state) == (0, 1, PoolState.QUARANTINED)
    assert pool.state_reason == "5 attempts failed in a row. The last one: It fell over."
    assert PoolChange.objects.latest("id").actor == "health check"
    queued(ann_again())
    assert dispatch.grant_free_slots() == []


def test_one_restart_that_forgot_many_jobs_is_one_failure() -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    jobs = [running(owner) for _ in range(6)]
    Attempt.objects.update(submitted_at=F("granted_at"))
    for job in jobs:
        transitions.end_attempt(
            JobId(job.id),
            attempt=1,
            failure=FailureKind.BACKEND_FORGOT,
            message="It was restarted.",
            jitter=0,
        )
    once = pool_health.judge_pools()
    # Each of these was sent after the one before was forgotten.
    Attempt.objects.update(submitted_at=F("ended_at"))

    assert (once, pool_health.judge_pools()) == (0, 1)


def ann_again() -> Any:
    from tests.factories import Person
    from videogen.accounts.models import User

    return Person(user=User.objects.get(email="ann@example.com"), api_key="")


def test_failures_of_the_owners_say_nothing_about_a_pool() -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    for _ in range(8):
        running(owner)
        _fail(FailureKind.CONTENT_POLICY)

    assert pool_health.judge_pools() == 0


def test_one_success_between_keeps_a_pool_in() -> None:
    _fail_in_a_row(4)
    job = running(ann_again())
    from tests.factories import VIDEO

    transitions.succeed(JobId(job.id), attempt=job.attempt, video=VIDEO)
    running(ann_again())
    _fail()

    assert pool_health.judge_pools() == 0


def test_a_quarantine_ends_on_probation_with_one_slot(server: ScriptedServer) -> None:
    _fail_in_a_row(5)
    pool_health.judge_pools()
    too_early = pool_health.let_back_in()
    Pool.objects.update(quarantined_until="2020-01-01T00:00:00Z")

    back = pool_health.let_back_in()
    for _ in range(3):
        queued(ann_again())
    Job.objects.filter(due_at__isnull=False).update(due_at="2100-01-01T00:00:00Z")

    assert (too_early, back) == (0, 1)
    assert len(dispatch.grant_free_slots()) == 1
    assert dispatch.grant_free_slots() == []


def test_a_failure_on_probation_takes_a_pool_out_for_longer(server: ScriptedServer) -> None:
    _fail_in_a_row(5)
    pool_health.judge_pools()
    first = Pool.objects.get()
    Pool.objects.update(quarantined_until="2020-01-01T00:00:00Z")
    pool_health.let_back_in()
    _long_ago_but_after_the_first()
    dispatched(ann_again())
    _fail()

    changed = pool_health.judge_pools()

    second = Pool.objects.get()
    assert (changed, second.state, second.quarantines) == (1, PoolState.QUARANTINED, 2)
    assert second.quarantined_until is not None
    assert first.quarantined_until is not None
    assert second.quarantined_until - second.state_since > timedelta(seconds=50)
    assert first.quarantined_until - first.state_since < timedelta(seconds=40)


def _long_ago_but_after_the_first() -> None:
    with connection.cursor() as cursor:
        cursor.execute("update pool set state_since = now()")


def test_a_success_on_probation_ends_it(server: ScriptedServer) -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(is_on_probation=True, quarantines=3)
    job = running(owner)
    from tests.factories import VIDEO

    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    assert pool_health.judge_pools() == 1
    pool = Pool.objects.get()
    assert (pool.is_on_probation, pool.quarantines) == (False, 0)


def test_only_the_machine_that_fails_is_taken_out() -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    job = running(owner)
    Attempt.objects.filter(job=job).update(node="gpu-6")
    from tests.factories import VIDEO

    for _ in range(5):
        running(owner)
        _fail(node="gpu-7")
    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    taken_out = pool_health.judge_nodes()
    again = pool_health.judge_nodes()

    assert (taken_out, again) == (1, 0)
    assert Node.objects.get().name == "gpu-7"
    assert pool_health.is_quarantined("preview", "gpu-7")
    assert not pool_health.is_quarantined("preview", "gpu-6")
    assert pool_health.judge_pools() == 0


def test_a_machine_comes_back_by_itself_and_stays_out_longer_the_next_time() -> None:
    ann()
    Node.objects.create(
        pool_name="preview",
        name="gpu-7",
        reason="before",
        quarantined_until="2020-01-01T00:00:00Z",
        quarantines=2,
    )
    assert not pool_health.is_quarantined("preview", "gpu-7")

    with connection.cursor() as cursor:
        cursor.execute(
            pool_health._PUT_NODE_OUT,
            {"pool": "preview", "node": "gpu-7", "reason": "again", "first": 30, "longest": 900},
        )

    node = Node.objects.annotate(length=F("quarantined_until") - F("quarantined_at")).get()
    assert node.quarantines == 3
    assert node.length == timedelta(seconds=120)
