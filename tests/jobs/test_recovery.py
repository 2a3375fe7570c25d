"""Stuck attempts: found, asked after, recovered, and written down."""

from typing import Any, Protocol

import pytest

from jobs import leases, reconcile, transitions
from jobs.backends import local_files, registry
from jobs.backends.backend import BackendError, Failed, Finished, Order, Sighting, StillRunning
from jobs.backends.capabilities import Capabilities
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, Lease, Orphan, Recovery
from scheduler import sweeps
from tests.factories import (
    VIDEO,
    ann,
    dispatched,
    expire_lease,
    learned,
    running,
    running_for,
    silent,
    submitted_to_server,
)

pytestmark = pytest.mark.django_db(transaction=True)


class _Server:
    """A backend that says what the test tells it to, and counts how often it was asked."""

    def __init__(self, says: Sighting | BackendError, *, runs_in_worker: bool = False) -> None:
        self.says = says
        self.capabilities = Capabilities(runs_in_worker=runs_in_worker)
        self.asked = 0

    def look(self, order: Order) -> Sighting:
        self.asked += 1
        if isinstance(self.says, BackendError):
            raise self.says
        return self.says


class Serve(Protocol):
    """Puts a server of the test's behind every pool."""

    def __call__(
        self, says: Sighting | BackendError, *, runs_in_worker: bool = False
    ) -> _Server: ...


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    def use(says: Sighting | BackendError, *, runs_in_worker: bool = False) -> _Server:
        server = _Server(says, runs_in_worker=runs_in_worker)
        if not runs_in_worker:
            submitted_to_server()
        monkeypatch.setattr(registry, "backend", lambda _: server)
        return server

    return use


def _rescue() -> int:
    return sweeps.rescue_silent_workers(lambda: 0.5)


def test_a_silent_worker_s_attempt_is_tried_again_and_attributed() -> None:
    job = silent(ann())

    assert _rescue() == 1

    found = Recovery.objects.get()
    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.failed_count) == ("queued", 1)
    assert (found.cause, found.truth, found.led_to) == ("silent_worker", "gone", "queued")
    assert (found.pool, found.worker, found.node) == ("preview", "gpu.preview@gpu-7", "gpu-7")
    assert not Lease.objects.exists()


def test_a_video_that_was_ready_when_its_worker_died_is_not_made_twice(serve: Serve) -> None:
    job = silent(ann())
    serve(Finished(video=VIDEO))

    _rescue()

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.attempt, fresh.credits_charged) == ("succeeded", 1, 4)
    assert Recovery.objects.get().truth == "finished"


def test_a_preview_that_was_ready_is_found_by_its_name() -> None:
    job = silent(ann())
    order = leases.held(JobId(job.id), attempt=1)
    assert order is not None
    backend = registry.backend("preview")
    local_files.make_room()
    local_files.place(order).clip.write_bytes(b"clip")

    assert isinstance(backend.look(order), Finished)
    assert _rescue() == 1
    assert Job.objects.get(id=job.id).state == "succeeded"


def test_what_the_backend_says_of_a_failure_is_believed(serve: Serve) -> None:
    job = silent(ann())
    serve(Failed(kind=FailureKind.CONTENT_POLICY, message="Not this."))

    _rescue()

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.error_message) == ("failed", "Not this.")


def test_a_backend_that_still_works_keeps_its_slot(serve: Serve) -> None:
    job = silent(ann())
    serve(StillRunning(percent=40))

    assert _rescue() == 0

    lease = Lease.objects.get(job_id=job.id)
    assert (Job.objects.get(id=job.id).state, lease.percent) == ("running", 40)
    assert not Recovery.objects.exists()


def test_a_server_that_is_away_for_too_long_does_not_hold_a_job(serve: Serve) -> None:
    job = silent(ann())
    serve(BackendError(FailureKind.BACKEND_UNAVAILABLE, "No route."))

    held = _rescue()
    Lease.objects.update(answered_at="2020-01-01T00:00:00Z")
    expire_lease(job.id)
    _rescue()

    assert held == 0
    assert Job.objects.get(id=job.id).state == "queued"
    assert Recovery.objects.get().truth == "unreachable"
    assert Orphan.objects.get().backend_job_id == "b-1"


def test_an_attempt_that_nobody_took_costs_no_try(serve: Serve) -> None:
    job = dispatched(ann())
    server = serve(StillRunning(percent=None))
    expire_lease(job.id)

    _rescue()

    found = Recovery.objects.get()
    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.failed_count, server.asked) == ("queued", 0, 0)
    assert (found.cause, found.truth) == ("never_picked_up", "not_asked")


def test_a_canceled_job_of_a_silent_worker_ends_without_a_charge() -> None:
    owner = ann()
    job = silent(owner)
    transitions.cancel(JobId(job.id), owner_id=owner.id)

    _rescue()

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.credits_charged) == ("canceled", 0)


def test_an_attempt_that_ended_meanwhile_is_left_alone() -> None:
    job = silent(ann())
    order = leases.held(JobId(job.id), attempt=1)
    assert order is not None
    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    assert not reconcile.recover(JobId(job.id), attempt=1, is_taken=True, jitter=0)
    assert not reconcile.question(JobId(job.id), attempt=1, is_hopeless=True, jitter=0)
    from jobs.models import Cause, Truth

    assert not reconcile.bring(order, None, cause=Cause.SILENT_WORKER, truth=Truth.GONE, jitter=0)
    assert not Recovery.objects.exists()


def _question() -> int:
    return sweeps.question_long_runs(lambda: 0.5)


def test_a_run_far_beyond_what_is_normal_is_asked_after_once_in_a_while(serve: Serve) -> None:
    job = running(ann())
    learned(30)
    running_for(job, 91)
    server = serve(StillRunning(percent=90))

    ended = [_question(), _question()]

    assert ended == [0, 0]
    assert server.asked == 1
    assert Job.objects.get(id=job.id).state == "running"


def test_a_run_within_what_is_normal_is_not_asked_after(serve: Serve) -> None:
    job = running(ann())
    learned(60)
    running_for(job, 91)
    server = serve(StillRunning(percent=90))

    _question()

    assert server.asked == 0


def test_a_hopeless_run_is_ended_though_its_backend_says_that_it_works(serve: Serve) -> None:
    job = running(ann())
    learned(30)
    running_for(job, 181)
    serve(StillRunning(percent=90))

    assert _question() == 1

    fresh = Job.objects.get(id=job.id)
    assert (fresh.state, fresh.error_code) == ("queued", "overdue")
    assert Recovery.objects.get().cause == "overdue"


def test_a_long_run_that_is_over_is_brought_to_its_end(serve: Serve) -> None:
    job = running(ann())
    running_for(job, 100)
    serve(Finished(video=VIDEO))

    _question()

    assert Job.objects.get(id=job.id).state == "succeeded"


def test_a_run_that_its_server_forgot_is_tried_again_at_once(serve: Serve) -> None:
    from jobs.backends.backend import Gone

    job = running(ann())
    running_for(job, 100)
    serve(Gone())

    _question()

    assert Job.objects.get(id=job.id).error_code == "backend_forgot"
    assert Recovery.objects.get().cause == "forgotten"


def test_a_worker_vouches_for_what_runs_in_it(serve: Serve) -> None:
    from jobs.backends.backend import Gone

    job = running(ann())
    running_for(job, 100)
    serve(Gone(), runs_in_worker=True)

    assert _question() == 0
    assert Job.objects.get(id=job.id).state == "running"


def test_one_row_that_cannot_be_repaired_keeps_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = ann()
    first, second = silent(owner), silent(owner)
    recover = reconcile.recover

    def sometimes(job_id: JobId, **rest: Any) -> bool:
        if job_id == first.id:
            raise KeyError("a bug")
        return recover(job_id, **rest)

    monkeypatch.setattr(reconcile, "recover", sometimes)

    assert _rescue() == 1
    assert Job.objects.get(id=second.id).state == "queued"


def test_an_attempt_that_was_taken_since_the_sweep_read_it_goes_on() -> None:
    job = dispatched(ann())
    leases.pick_up(JobId(job.id), attempt=1, worker="gpu.preview@gpu-7")

    ended = reconcile.recover(JobId(job.id), attempt=1, is_taken=False, jitter=0)

    assert not ended
    assert Job.objects.get(id=job.id).state == "dispatched"
    assert not Recovery.objects.exists()


def test_a_server_that_is_silent_is_asked_once_in_a_sweep(serve: Serve) -> None:
    owner = ann()
    for _ in range(2):
        silent(owner)
    server = serve(BackendError(FailureKind.BACKEND_UNAVAILABLE, "No route."))

    _rescue()

    assert server.asked == 1
