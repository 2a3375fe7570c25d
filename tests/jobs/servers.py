"""An asynchronous backend whose words the test writes: it counts what it was asked, and answers from a script."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db.models import F

from jobs import execution, following, polling
from jobs.backends import registry
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Content,
    Forged,
    Gone,
    Health,
    Hint,
    Order,
    Sighting,
    Site,
    StillRunning,
    Submitted,
)
from jobs.backends.capabilities import Capabilities
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Attempt, Job, Lease, Pool
from jobs.questions import Answer
from tests.factories import Person, dispatched

SILENCE = BackendError(FailureKind.BACKEND_UNAVAILABLE, "The GPU server did not answer.")


@dataclass
class ScriptedServer:
    """What it answers can be changed at any time; an exception is raised."""

    sighting: Sighting | BackendError = field(default_factory=StillRunning)
    created: Submitted | Exception | None = None
    found: Submitted | None = None
    stop: Cancellation = Cancellation.STOPPED
    can_find: bool = True
    asks_many: bool = False
    models: tuple[str, ...] = ()
    slots: int | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            runs_in_worker=False,
            can_find=self.can_find,
            asks_many=self.asks_many,
            image_input="image",
            can_remix=True,
        )

    def submit(self, order: Order) -> Submitted:
        self.asked.append("submit")
        if isinstance(self.created, Exception):
            raise self.created
        return self.created or Submitted(backend_job_id=f"b-{order.job_id}-{order.attempt}")

    def candidates(self, order: Order) -> Sequence[Submitted]:
        self.asked.append("find")
        if isinstance(self.sighting, Exception):
            raise self.sighting
        return [self.found] if self.found else []

    def look(self, order: Order) -> Sighting:
        self.asked.append("look")
        if isinstance(self.sighting, Exception):
            raise self.sighting
        return self.sighting

    def look_at_many(self, orders: Sequence[Order], *, pages: int = 1) -> Mapping[str, Sighting]:
        self.asked.append("look_at_many")
        if isinstance(self.sighting, Exception):
            raise self.sighting
        if isinstance(self.sighting, Gone):
            return {}
        return {order.backend_job_id: self.sighting for order in orders}

    def cancel(self, order: Order) -> Cancellation:
        self.asked.append("cancel")
        return self.stop

    def content(self, order: Order) -> Content:
        return Content(url=f"{order.site.url}/content")

    def hint(self, site: Site, headers: Mapping[str, str], body: bytes, *, now: float) -> Hint:
        if headers.get("x-signature") != "good":
            raise Forged("wrong signature")
        message_id, _, backend_job_id = body.decode().partition(" ")
        return Hint(message_id=message_id, backend_job_id=backend_job_id)

    def health(self, site: Site) -> Health:
        self.asked.append("health")
        if isinstance(self.sighting, Exception):
            raise self.sighting
        return Health(models=self.models, slots=self.slots)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """Stand behind every pool."""
    scripted = ScriptedServer()
    monkeypatch.setattr(registry, "backend", lambda _: scripted)
    return scripted


def handed_over(owner: Person) -> Job:
    """Give a job that its worker handed to the server."""
    job = dispatched(owner)
    hand_over(job)
    return Job.objects.get(id=job.id)


def hand_over(job: Job) -> None:
    execution.run(JobId(job.id), attempt=job.attempt, worker="gpu.preview@gpu-7")


def poll(*, due: bool = True, rested: bool = True) -> list[Answer]:
    """Ask what is due now, and bring the jobs to what the server says.

    `due` makes everything due; `rested` gives every server its full budget of a second.
    """
    if rested:
        Pool.objects.update(polled_until="2020-01-01T00:00:00Z")
    if due:
        Lease.objects.filter(poll_at__isnull=False).update(poll_at="2020-01-01T00:00:00Z")
    poller = polling.Poller()
    try:
        poller.claim()
        answers: list[Answer] = []
        deadline = time.monotonic() + 60
        answers += poller.answers(timeout=0.0)
        while poller.is_busy and time.monotonic() < deadline:
            answers += poller.answers(timeout=1.0)
    finally:
        poller.close()
    following.follow_all(answers)
    return answers


def attempt_of(job: Job) -> Attempt:
    return Attempt.objects.get(job_id=job.id, number=job.attempt)


def fresh(job: Job) -> Job:
    return Job.objects.get(id=job.id)


def silent_for(seconds: float) -> None:
    """Let nothing have been heard of any attempt for so long."""
    Lease.objects.update(answered_at=F("granted_at") - timedelta(seconds=seconds))


def started_ago(seconds: float) -> None:
    """Let every attempt have been sent and begun so long ago."""
    Attempt.objects.update(
        submitted_at=F("granted_at") - timedelta(seconds=seconds),
        started_at=F("granted_at") - timedelta(seconds=seconds),
    )
