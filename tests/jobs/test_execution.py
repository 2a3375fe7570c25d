"""A worker with one attempt: it ends the job once, stops when it must, and loses no video."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError

from jobs import execution, leases, transitions
from jobs.backends import registry
from jobs.backends.backend import (
    BackendError,
    Control,
    Gone,
    Order,
    Sighting,
    Stopped,
    StopReason,
    Video,
)
from jobs.backends.capabilities import Capabilities
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Job, LateResult, Lease
from jobs.states import JobState
from scheduler import dispatch, sweeps
from tests.factories import VIDEO, ann, dispatched, expire_lease, past_deadline

pytestmark = pytest.mark.django_db(transaction=True)

Work = Callable[[Order, Control], Video]
Use = Callable[[Work], None]
_TOO_LONG = 10.0


class _Generator:
    """A backend whose work the test writes."""

    capabilities = Capabilities(runs_in_worker=True)

    def __init__(self, work: Work) -> None:
        self.generate = work

    def look(self, _: Order) -> Sighting:
        """Say that nothing is left of it."""
        return Gone()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    return lambda work: monkeypatch.setattr(registry, "backend", lambda _: _Generator(work))


@pytest.fixture(autouse=True)
def _quick(settings: Any) -> Iterator[None]:
    settings.HEARTBEAT_SECONDS = 0.05
    yield
    execution.shutting_down.clear()


def _until_stopped(control: Control) -> Video:
    control.began()
    for _ in range(int(_TOO_LONG / 0.02)):
        if reason := control.stop_reason():
            raise Stopped(reason)
        threading.Event().wait(0.02)
    raise AssertionError("Nobody stopped it.")


def _finish(_: Order, control: Control) -> Video:
    control.began()
    control.progressed(50)
    return VIDEO


def _run(job: Job, *, attempt: int = 1) -> Job:
    execution.run(JobId(job.id), attempt=attempt, worker="gpu.a@gpu-7")
    return Job.objects.get(id=job.id)


def test_a_generation_starts_reports_and_ends_its_job(use: Use) -> None:
    job = dispatched(ann())
    use(_finish)

    ended = _run(job)

    assert (ended.state, ended.video_url, ended.credits_charged) == (
        "succeeded",
        VIDEO.url,
        job.credits_reserved,
    )
    assert ended.attempts.get().node == "gpu-7"


def test_a_second_message_about_an_attempt_does_nothing(use: Use) -> None:
    job = dispatched(ann())
    use(_finish)
    _run(job)

    def never(_: Order, __: Control) -> Video:
        raise AssertionError("It ran twice.")

    use(never)

    assert _run(job).state == "succeeded"


def test_a_wish_to_cancel_stops_the_generation_at_its_price(use: Use) -> None:
    owner = ann()
    job = dispatched(owner)

    def work(order: Order, control: Control) -> Video:
        control.began()
        transitions.cancel(order.job_id, owner_id=owner.id)
        return _until_stopped(_Started(control))

    use(work)

    ended = _run(job)

    assert (ended.state, ended.credits_charged) == ("canceled", ended.cancel_fee)
    assert 0 < ended.credits_charged < ended.credits_reserved
    assert not Lease.objects.exists()


class _Started:
    """The control of a generation that has said that it began."""

    def __init__(self, control: Control) -> None:
        self.stop_reason = control.stop_reason

    def began(self) -> None:
        """Say nothing again."""

    def progressed(self, percent: int) -> None:
        """Say nothing."""


def test_a_generation_stops_when_its_time_to_finish_passed(use: Use) -> None:
    job = dispatched(ann())

    def work(order: Order, control: Control) -> Video:
        past_deadline(order.job_id)
        return _until_stopped(control)

    use(work)

    ended = _run(job)

    assert (ended.state, ended.error_message, ended.credits_charged) == (
        "expired",
        "It did not finish in time.",
        0,
    )


def test_a_worker_that_shuts_down_hands_its_attempt_back(use: Use) -> None:
    job = dispatched(ann())

    def work(_: Order, control: Control) -> Video:
        execution.shutting_down.set()
        return _until_stopped(control)

    use(work)

    back = _run(job)

    assert (back.state, back.failed_count) == ("queued", 0)


def test_a_worker_that_cannot_renew_stops_at_two_thirds_of_its_lease(
    use: Use, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LEASE_SECONDS = 0.3
    job = dispatched(ann())

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("The database is away.")

    monkeypatch.setattr(leases, "renew", away)
    reasons: list[StopReason] = []

    def work(_: Order, control: Control) -> Video:
        try:
            return _until_stopped(control)
        except Stopped as stopped:
            reasons.append(stopped.reason)
            raise

    use(work)

    left = _run(job)

    assert reasons == [StopReason.LEASE_LOST]
    assert left.state == "running"


def test_a_video_of_a_superseded_attempt_is_kept_and_costs_nothing(use: Use) -> None:
    owner = ann()
    job = dispatched(owner)

    def work(order: Order, control: Control) -> Video:
        control.began()
        expire_lease(order.job_id)
        # The lease may be renewed in between.
        while not sweeps.rescue_silent_workers(lambda: 0.0):
            expire_lease(order.job_id)
        return VIDEO

    use(work)

    rescued = _run(job)

    assert (rescued.state, rescued.credits_charged) == ("queued", 0)
    assert LateResult.objects.get().attempt == 1
    assert Account.objects.get(owner_id=owner.id).held == job.credits_reserved


def test_a_database_that_is_away_at_the_end_costs_no_video(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = dispatched(ann())
    use(_finish)
    succeed, calls = transitions.succeed, []

    def sometimes(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) < 3:
            raise OperationalError("The connection was closed.")
        succeed(*args, **kwargs)

    monkeypatch.setattr(transitions, "succeed", sometimes)

    assert _run(job).state == "succeeded"
    assert len(calls) == 3


def test_a_commit_whose_answer_was_lost_is_one_end_and_nothing_late(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = dispatched(ann())
    use(_finish)
    succeed, calls = transitions.succeed, []

    def lost(*args: Any, **kwargs: Any) -> None:
        calls.append(args)
        succeed(*args, **kwargs)
        raise OperationalError("The connection was closed after the commit.")

    monkeypatch.setattr(transitions, "succeed", lost)

    assert _run(job).state == "succeeded"
    assert len(calls) == 2
    assert not LateResult.objects.exists()


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (BackendError(FailureKind.BACKEND_ERROR, "It fell over."), "queued", "backend_error"),
        (BackendError(FailureKind.CONTENT_POLICY, "Not that."), "failed", "content_policy"),
        (ZeroDivisionError(), "queued", "internal"),
    ],
)
def test_a_failure_is_classified_and_said(
    use: Use, error: Exception, state: JobState, code: str
) -> None:
    job = dispatched(ann())

    def work(_: Order, control: Control) -> Video:
        control.began()
        raise error

    use(work)

    after = _run(job)

    assert (after.state, after.error_code) == (state, code)
    assert after.error_message
    assert "ZeroDivision" not in after.error_message


def test_an_attempt_that_is_over_is_not_taken(use: Use) -> None:
    job = dispatched(ann())
    transitions.end_attempt(
        JobId(job.id), attempt=1, failure=FailureKind.WORKER_LOST, message="Lost.", jitter=0
    )
    Job.objects.update(due_at="2020-01-01T00:00:00Z")
    sweeps.return_due_retries()
    dispatch.grant_free_slots()
    use(_finish)

    assert _run(job, attempt=1).state == "dispatched"
    assert _run(job, attempt=2).state == "succeeded"
