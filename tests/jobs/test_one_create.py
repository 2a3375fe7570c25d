"""Orders that were sent once: found when their answer was lost, canceled, and stopped when nobody owns them."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from jobs import content, orphans, remote, transitions
from jobs.backends.backend import (
    Cancellation,
    Failed,
    Finished,
    Gone,
    StillRunning,
    Submitted,
    Unanswered,
)
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, LateResult, Lease, Orphan, Pool, Recovery
from tests.factories import VIDEO, ann, dispatched, second_attempt
from tests.jobs.servers import (
    SILENCE,
    ScriptedServer,
    attempt_of,
    fresh,
    hand_over,
    handed_over,
    poll,
    server,
    silent_for,
    started_ago,
)

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_unanswered_create_is_looked_for_and_never_sent_again(server: ScriptedServer) -> None:
    server.created = Unanswered("The connection was dropped.")
    job = handed_over(ann())
    server.found = Submitted(backend_job_id="seen")
    server.sighting = StillRunning()

    poll()
    server.sighting = Finished(video=VIDEO)
    poll()

    assert server.asked == ["submit", "find", "look"]
    assert fresh(job).state == "succeeded"
    assert attempt_of(job).backend_job_id == "seen"


def test_a_create_that_is_not_there_is_looked_for_a_while_and_then_tried_again(
    server: ScriptedServer,
) -> None:
    server.created = Unanswered("The connection was dropped.")
    job = handed_over(ann())

    poll()
    waited = fresh(job).state
    started_ago(60)
    poll()

    assert (waited, fresh(job).state) == ("dispatched", "queued")
    assert server.asked == ["submit", "find", "find"]
    assert Orphan.objects.get().backend_job_id == ""


def test_a_create_that_may_be_there_leaves_an_orphan_where_it_cannot_be_found(
    server: ScriptedServer,
) -> None:
    server.created = Unanswered("The connection was dropped.")
    server.can_find = False
    job = handed_over(ann())

    poll()
    waited = fresh(job).state
    started_ago(60)
    poll()

    assert (waited, fresh(job).state) == ("dispatched", "queued")
    assert Orphan.objects.get().backend_job_id == ""


def test_what_another_attempt_has_is_not_found_again(server: ScriptedServer) -> None:
    owner = ann()
    first = handed_over(owner)
    server.created = Unanswered("The connection was dropped.")
    second = handed_over(owner)
    server.found = Submitted(backend_job_id=attempt_of(first).backend_job_id)
    Lease.objects.filter(job_id=first.id).update(poll_at=None)
    started_ago(60)

    poll()

    assert fresh(second).state == "queued"
    assert attempt_of(first).backend_job_id != ""


def test_a_worker_that_died_before_its_create_was_answered_leaves_it_to_the_poller(
    server: ScriptedServer,
) -> None:
    job = dispatched(ann())
    server.created = KeyboardInterrupt()  # type: ignore[assignment]  # ends the worker in the call

    with pytest.raises(KeyboardInterrupt):
        raise_in_submit(server, job)
    server.found = Submitted(backend_job_id="seen")
    poll()

    assert server.asked == ["submit", "find"]
    assert attempt_of(job).backend_job_id == "seen"


def raise_in_submit(server: ScriptedServer, job: Job) -> None:
    def submit(_: object) -> Submitted:
        server.asked.append("submit")
        raise KeyboardInterrupt

    server.submit = submit  # type: ignore[method-assign, assignment]
    hand_over(job)


def _hand_over_as_it_ends(server: ScriptedServer, job: Job) -> None:
    submit = server.submit

    def slow(order: object) -> Submitted:
        second_attempt(job)
        return submit(order)  # type: ignore[arg-type]

    server.submit = slow  # type: ignore[method-assign]
    hand_over(job)


def test_an_order_that_is_taken_after_its_attempt_ended_is_an_orphan(
    server: ScriptedServer,
) -> None:
    job = dispatched(ann())
    _hand_over_as_it_ends(server, job)

    found = Orphan.objects.get()
    assert (found.job_id, found.attempt, found.backend_job_id) == (job.id, 1, f"b-{job.id}-1")


# --- Cancels


def _canceled_while_running(server: ScriptedServer, says: Cancellation) -> Job:
    owner = ann()
    job = handed_over(owner)
    server.sighting = StillRunning(percent=50)
    poll()
    server.stop = says
    transitions.cancel(JobId(job.id), owner_id=owner.id)
    poll(due=False)
    return fresh(job)


def test_a_cancel_is_told_to_the_server_at_once_and_confirmed(server: ScriptedServer) -> None:
    job = _canceled_while_running(server, Cancellation.STOPPED)

    assert (job.state, job.credits_charged) == ("canceled", job.cancel_fee)
    assert server.asked[-1] == "cancel"
    assert not Lease.objects.exists()


def test_a_slot_stays_taken_while_a_server_goes_on_after_a_cancel(server: ScriptedServer) -> None:
    job = _canceled_while_running(server, Cancellation.GOES_ON)
    held = Lease.objects.count()
    server.sighting = Gone()
    started_ago(1_000)
    poll()

    assert (job.state, held) == ("running", 1)
    assert fresh(job).state == "canceled"
    assert server.asked.count("cancel") == 1


def test_a_video_that_was_ready_when_the_cancel_came_is_its_owners(server: ScriptedServer) -> None:
    job = _canceled_while_running(server, Cancellation.ENDED)
    server.sighting = Finished(video=VIDEO)

    poll()

    assert (fresh(job).state, fresh(job).credits_charged) == ("succeeded", 4)


def test_a_server_that_calls_a_stop_a_failure_ends_as_canceled(server: ScriptedServer) -> None:
    job = _canceled_while_running(server, Cancellation.ENDED)
    server.sighting = Failed(kind=FailureKind.BACKEND_ERROR, message="Aborted.")

    poll()

    assert fresh(job).state == "canceled"


def test_a_time_to_finish_that_passed_stops_the_server_too(server: ScriptedServer) -> None:
    job = handed_over(ann())
    Job.objects.update(finish_by="2020-01-01T00:00:00Z")

    poll()

    assert (fresh(job).state, server.asked[-1]) == ("expired", "cancel")


# --- Orphans


def _orphan(server: ScriptedServer) -> Job:
    job = handed_over(ann())
    server.sighting = SILENCE
    silent_for(1_000)
    poll()
    return job


def test_an_orphan_is_stopped_when_its_server_is_back(server: ScriptedServer) -> None:
    _orphan(server)
    away = orphans.stop_due(limit=10)
    Orphan.objects.update(due_at="2020-01-01T00:00:00Z")
    server.sighting = StillRunning()

    assert (away, orphans.stop_due(limit=10)) == (0, 1)
    assert Orphan.objects.get().outcome == "stopped"
    assert server.asked[-1] == "cancel"


def test_the_video_of_an_orphan_is_kept_as_a_late_result(server: ScriptedServer) -> None:
    job = _orphan(server)
    server.sighting = Finished(video=VIDEO)

    orphans.stop_due(limit=10)

    assert Orphan.objects.get().outcome == "ended"
    assert LateResult.objects.get().job_id == job.id


def test_an_orphan_is_not_chased_for_ever(server: ScriptedServer) -> None:
    _orphan(server)
    for _ in range(10):
        Orphan.objects.filter(due_at__isnull=False).update(due_at="2020-01-01T00:00:00Z")
        orphans.stop_due(limit=10)

    assert Orphan.objects.get().outcome == "given_up"


def test_a_poller_that_dies_with_a_question_leaves_it_to_the_next(server: ScriptedServer) -> None:
    handed_over(ann())
    with connection.cursor() as cursor:
        cursor.execute("update lease set poll_at = now() - interval '1 second'")
    from jobs import polling

    dead = polling.Poller()
    dead.claim()
    dead.close()
    Lease.objects.update(poll_at=F("poll_at") - timedelta(seconds=21))

    assert len(poll(due=False)) == 1


def test_what_nobody_wants_any_more_is_not_sent(server: ScriptedServer) -> None:
    owner = ann()
    job = dispatched(owner)
    transitions.cancel(JobId(job.id), owner_id=owner.id)

    hand_over(job)

    assert (fresh(job).state, server.asked) == ("canceled", [])


def test_an_orphan_of_a_pool_that_is_gone_is_closed(server: ScriptedServer) -> None:
    job = _orphan(server)
    transitions.cancel(JobId(job.id), owner_id=job.owner_id)
    Pool.objects.all().delete()

    orphans.stop_due(limit=10)

    assert Orphan.objects.get().outcome == "unknown"


def test_a_driver_that_breaks_after_it_sent_is_not_sent_again(server: ScriptedServer) -> None:
    server.created = KeyError("id")
    job = handed_over(ann())
    server.found = Submitted(backend_job_id="seen")

    poll()

    assert server.asked == ["submit", "find"]
    assert attempt_of(job).backend_job_id == "seen"


def test_an_id_that_a_server_gives_again_tells_that_it_forgot_the_older_attempt(
    server: ScriptedServer,
) -> None:
    owner = ann()
    server.created = Submitted(backend_job_id="1")
    older = handed_over(owner)
    newer = handed_over(owner)

    assert (fresh(older).state, fresh(older).error_code) == ("queued", "backend_forgot")
    assert Recovery.objects.get().job_id == older.id
    assert attempt_of(newer).backend_job_id == "1"
    assert fresh(newer).state == "dispatched"
    # The video by this id is the newer one's, for whoever asks for the older one's.
    assert content._content(older.id, 1) is None
    assert content._content(newer.id, 1) is not None


def test_an_id_that_is_given_again_to_an_attempt_that_is_over_tells_it_too(
    server: ScriptedServer,
) -> None:
    owner = ann()
    server.created = Submitted(backend_job_id="1")
    older = handed_over(owner)
    newer = dispatched(owner)
    _hand_over_as_it_ends(server, newer)

    assert (fresh(older).state, fresh(older).error_code) == ("queued", "backend_forgot")
    assert Orphan.objects.get().job_id == newer.id


def test_whose_an_id_was_is_found_by_index_even_by_a_plan_for_any_id() -> None:
    statement = remote._PREDECESSOR.replace("%s", "${}").format(1, 2, 3, 4)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local enable_seqscan = off")
        cursor.execute("set local plan_cache_mode = force_generic_plan")
        cursor.execute(f"prepare earlier (text, text, uuid, int) as {statement}")
        cursor.execute("explain execute earlier ('preview', '1', gen_random_uuid(), 1)")
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("deallocate earlier")

    assert "attempt_" in plan, plan
    assert "Seq Scan" not in plan, plan
