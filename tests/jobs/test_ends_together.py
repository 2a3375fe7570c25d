"""Videos that a server finished at about the same time: recorded in one transaction, each as if it were alone."""

import pytest

from jobs import following, transitions
from jobs.backends.backend import Finished, StillRunning, StillWaiting
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import JobTransition, LateResult
from jobs.questions import Answer
from scheduler import invariants
from tests.factories import VIDEO, ann, bob, change_preview_pool
from tests.jobs.servers import ScriptedServer, fresh, handed_over, poll, server

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_videos_that_finished_together_end_together_and_each_as_if_alone(
    server: ScriptedServer,
) -> None:
    first, second = ann(), bob()
    change_preview_pool(slots=5)
    begun = handed_over(first)
    server.sighting = StillRunning(percent=40)
    poll()
    unseen = [handed_over(first), handed_over(second)]
    overtaken = handed_over(first)
    server.sighting, server.asks_many = StillWaiting(), True
    asked = [one.question for one in poll()]
    transitions.end_attempt(
        JobId(overtaken.id),
        attempt=1,
        failure=FailureKind.BACKEND_ERROR,
        message="It broke.",
        jitter=0.0,
    )

    following.follow_all([Answer(question=one, said=Finished(video=VIDEO)) for one in asked])

    assert {fresh(job).state for job in (begun, *unseen)} == {"succeeded"}
    assert fresh(overtaken).state == "queued"
    assert LateResult.objects.filter(job_id=overtaken.id, attempt=1).exists()
    for job in unseen:
        moves = JobTransition.objects.filter(job_id=job.id).order_by("version")
        assert list(moves.values_list("to_state", flat=True)) == [
            *("queued", "dispatched", "running", "succeeded")
        ]
    assert invariants.violations() == []
