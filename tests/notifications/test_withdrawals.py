"""What we cancel is told as ours, and what its owner cancels is not: to programs, and for a whole batch."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import transitions
from jobs.ids import JobId
from proofs.sinks.running import Sink
from tests.factories import ann, queued
from tests.notifications.test_batches import a_batch
from tests.notifications.test_email import mails, part
from tests.notifications.test_webhooks import endpoint

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]


def test_a_program_hears_of_a_video_that_we_cancelled_and_not_of_its_owners_cancel(
    receiver: Sink, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    endpoint(owner, receiver)
    ours, theirs = queued(owner), queued(owner)
    transitions.withdraw(ours, why="The pool was removed.")
    transitions.cancel(theirs, owner_id=owner.id)
    relay_all()
    carry_all()

    (message,) = receiver.arrived()
    assert json.loads(message["body"])["type"] == "video.failed"
    assert json.loads(message["body"])["data"] == {"id": f"video_{ours.hex}"}


def test_a_batch_that_we_cancelled_is_told_and_one_that_its_owner_cancelled_is_not(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    _, ours = a_batch(owner, 2)
    _, theirs = a_batch(owner, 2)
    for job_id in ours:
        transitions.withdraw(JobId(job_id), why="The pool was removed.")
    for job_id in theirs:
        transitions.cancel(JobId(job_id), owner_id=owner.id)
    relay_all()
    relay_all()
    carry_all()

    (message,) = mails(mail)
    assert message["Subject"] == "Batch: 0 of 2 ready, 2 cancelled: part 0"
    assert "The pool was removed." in part(message, "plain")
