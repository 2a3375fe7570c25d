"""A batch is told once, when the last of its jobs has ended."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from jobs import batch_ends, batches, transitions
from jobs.ids import JobId
from jobs.models import Batch, Job
from notifications.event import Event
from notifications.models import Notification, OutboxEvent
from scheduler import dispatch
from tests.factories import VIDEO, Person, a_request, ann, end_attempt
from tests.notifications.test_email import mails, part

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]


def a_batch(owner: Person, count: int) -> tuple[UUID, list[UUID]]:
    made = batches.submit(
        [a_request(f"part {number}") for number in range(count)], owner_id=owner.id, key=None
    )
    return made.batch_id, [one.accepted.job_id for one in made.results if one.accepted]


def begin_all() -> None:
    dispatch.grant_free_slots()
    for job_id in Job.objects.filter(state="dispatched").values_list("id", flat=True):
        transitions.start(JobId(job_id), attempt=1)


def finish(owner: Person, job_id: UUID, *, well: bool = True) -> None:
    while Job.objects.get(id=job_id).state != "running":
        begin_all()
        running = Job.objects.filter(state="running").exclude(id=job_id)
        if Job.objects.get(id=job_id).state != "running":
            transitions.succeed(JobId(running[0].id), attempt=1, video=VIDEO)
    if well:
        transitions.succeed(JobId(job_id), attempt=1, video=VIDEO)
    else:
        from jobs.failures import FailureKind

        end_attempt(Job.objects.get(id=job_id), FailureKind.CONTENT_POLICY)


def test_a_batch_gives_one_mail_and_one_notice_when_its_last_job_ended(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    batch_id, jobs = a_batch(owner, 3)
    finish(owner, jobs[0])
    relay_all()
    carry_all()
    assert mails(mail) == []

    for job_id in jobs[1:]:
        if Job.objects.get(id=job_id).finished_at is None:
            finish(owner, job_id, well=job_id != jobs[-1])
    relay_all()
    relay_all()
    carry_all()

    (message,) = mails(mail)
    assert message["Subject"] == "Batch: 2 of 3 ready, 1 failed: part 0"
    assert f"/jobs/{jobs[-1]}/" in part(message, "plain")
    assert f"/batches/{batch_id}" in part(message, "plain")
    assert Job.objects.get(id=jobs[-1]).error_message in part(message, "plain")
    (notice,) = Notification.objects.all()
    assert (notice.name, notice.subject_id) == ("batch.ended", batch_id)


def test_two_last_jobs_at_once_end_a_batch_once(relay_all: Run) -> None:
    owner = ann()
    batch_id, jobs = a_batch(owner, 2)
    for job_id in jobs:
        if Job.objects.get(id=job_id).finished_at is None:
            finish(owner, job_id)
    told = OutboxEvent.objects.filter(name="job.succeeded").order_by("id")
    heard = [
        Event(
            id=one.pk, name=one.name, subject_id=one.subject_id, owner_id=one.owner_id,
            payload=one.payload, recorded_at=one.recorded_at, sequence=1,
        )
        for one in told
    ]  # fmt: skip
    barrier = threading.Barrier(4)

    def hear(event: Event) -> None:
        barrier.wait()
        with transaction.atomic():
            batch_ends.hear([event])
        connection.close()

    def close() -> None:
        barrier.wait()
        batch_ends.close(batch_id)
        connection.close()

    threads = [threading.Thread(target=hear, args=[event]) for event in heard]
    threads += [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    relay_all()

    assert OutboxEvent.objects.filter(name="batch.ended", subject_id=batch_id).count() == 1


def test_a_batch_whose_call_died_is_told_all_the_same(relay_all: Run) -> None:
    owner = ann()
    _, jobs = a_batch(owner, 1)
    Batch.objects.update(closed_at=None)
    finish(owner, jobs[0])
    relay_all()
    assert not OutboxEvent.objects.filter(name="batch.ended").exists()
    assert batch_ends.close_dead(limit=10) == 0

    Batch.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert [batch_ends.close_dead(limit=10), batch_ends.close_dead(limit=10)] == [1, 0]

    assert OutboxEvent.objects.get(name="batch.ended").payload["ready"] == 1
