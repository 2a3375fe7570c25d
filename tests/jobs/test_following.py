"""Jobs on asynchronous servers: sent once, followed to their one end, whatever the server does."""

import time

import pytest

from jobs import following, polling, transitions
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Failed,
    Finished,
    Gone,
    StillRunning,
    StillWaiting,
    Video,
)
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job, LateResult, Lease, Orphan, Pool, Recovery
from jobs.questions import Question, plan
from scheduler import dispatch, invariants, sweeps
from tests.factories import VIDEO, ann, queued
from tests.jobs.backends.hosted_orders import order_for
from tests.jobs.servers import (
    SILENCE,
    ScriptedServer,
    attempt_of,
    fresh,
    handed_over,
    poll,
    server,
    silent_for,
)

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def test_an_order_is_sent_and_its_job_waits_for_the_servers_word(server: ScriptedServer) -> None:
    job = handed_over(ann())

    lease, attempt = Lease.objects.get(), attempt_of(job)
    assert (job.state, server.asked) == ("dispatched", ["submit"])
    assert attempt.backend_job_id == f"b-{job.id}-1"
    assert attempt.submitted_at is not None
    assert lease.poll_at is not None


def test_a_job_in_the_servers_own_line_is_not_running(server: ScriptedServer) -> None:
    job = handed_over(ann())
    server.sighting = StillWaiting()

    poll()

    assert fresh(job).state == "dispatched"


def test_a_job_runs_when_the_server_says_so_and_its_progress_never_falls(
    server: ScriptedServer,
) -> None:
    job = handed_over(ann())
    seen = []
    for percent in (10, 60, 30, None):
        server.sighting = StillRunning(percent=percent)
        poll()
        seen.append(Lease.objects.get().percent)

    assert fresh(job).state == "running"
    assert seen == [10, 60, 60, 60]


def test_a_finished_video_ends_its_job_and_says_how_that_was_learned(
    server: ScriptedServer,
) -> None:
    job = handed_over(ann())
    server.sighting = Finished(video=VIDEO)

    poll()

    ended = fresh(job)
    assert (ended.state, ended.video_url, ended.credits_charged) == ("succeeded", VIDEO.url, 4)
    assert attempt_of(ended).learned_by == "poll"
    assert invariants.violations() == []


def test_a_file_that_only_we_may_fetch_gets_an_address_of_ours(server: ScriptedServer) -> None:
    job = handed_over(ann())
    server.sighting = Finished(video=Video(url="", is_content=True))

    poll()

    assert fresh(job).video_url.endswith(f"/jobs/{job.id}/videos/1")


def test_a_failure_is_told_in_its_words_and_tried_again_where_that_helps(
    server: ScriptedServer,
) -> None:
    owner = ann()
    refused, broken = handed_over(owner), handed_over(owner)
    for job, kind in ((refused, FailureKind.CONTENT_POLICY), (broken, FailureKind.BACKEND_ERROR)):
        Lease.objects.exclude(job_id=job.id).update(poll_at="2100-01-01T00:00:00Z")
        Lease.objects.filter(job_id=job.id).update(poll_at="2020-01-01T00:00:00Z")
        server.sighting = Failed(kind=kind, message="Not that.")
        poll(due=False)

    assert (fresh(refused).state, fresh(refused).error_message) == ("failed", "Not that.")
    assert (fresh(broken).state, fresh(broken).error_message) == ("queued", "Not that.")


def test_what_a_restarted_server_forgot_is_tried_again_and_counted(server: ScriptedServer) -> None:
    job = handed_over(ann())
    server.sighting = Gone()

    poll()

    recovery = Recovery.objects.get()
    assert (fresh(job).state, fresh(job).error_code) == ("queued", "backend_forgot")
    assert (recovery.cause, recovery.truth, recovery.node) == ("forgotten", "gone", "gpu-7")
    assert not Orphan.objects.exists()


def test_a_server_that_is_away_keeps_its_jobs_for_a_while_and_no_longer(
    server: ScriptedServer,
) -> None:
    job = handed_over(ann())
    server.sighting = SILENCE

    poll()
    held = fresh(job).state
    silent_for(1_000)
    poll()

    assert (held, fresh(job).state, fresh(job).error_code) == (
        "dispatched",
        "queued",
        "backend_unavailable",
    )
    assert Orphan.objects.get().backend_job_id == f"b-{job.id}-1"


def test_servers_that_do_not_answer_are_left_alone_and_get_nothing_new(
    server: ScriptedServer,
) -> None:
    owner = ann()
    handed_over(owner)
    server.sighting = SILENCE
    for _ in range(6):
        poll()
    asked = server.asked.count("look")

    poll()
    queued(owner)

    assert Pool.objects.get().breaker_until is not None
    assert server.asked.count("look") == asked == 5
    assert dispatch.grant_free_slots() == []


def test_a_half_open_breaker_lets_one_question_through_and_closes_on_its_answer(
    server: ScriptedServer,
) -> None:
    owner = ann()
    Pool.objects.update(slots=4, polls_per_second=100)
    for _ in range(3):
        handed_over(owner)
    Pool.objects.update(unanswered=5, breaker_until="2020-01-01T00:00:00Z")

    poll()
    first = server.asked.count("look")
    poll()

    assert first == 1
    assert Pool.objects.get().unanswered == 0
    assert server.asked.count("look") == 4


def test_no_server_is_asked_more_often_than_its_budget(server: ScriptedServer) -> None:
    owner = ann()
    Pool.objects.update(slots=12, polls_per_second=16)
    for _ in range(6):
        handed_over(owner)

    began = time.monotonic()
    poll()
    poll(rested=False)
    seconds = time.monotonic() - began

    # A quarter of a second's worth at once, and what the time since then gave.
    assert 3 <= server.asked.count("look") <= 4 + 16 * seconds


def test_one_question_covers_many_where_a_server_has_a_list(server: ScriptedServer) -> None:
    owner = ann()
    server.asks_many = True
    Pool.objects.update(slots=12, polls_per_second=2)
    for _ in range(6):
        handed_over(owner)

    answers = poll()

    assert len(answers) == 6
    assert server.asked.count("look_at_many") == 1
    assert "look" not in server.asked


def test_what_a_list_does_not_name_is_asked_after_alone_before_it_is_lost(
    server: ScriptedServer,
) -> None:
    owner = ann()
    server.asks_many = True
    Pool.objects.update(slots=12, polls_per_second=16)
    for _ in range(6):
        handed_over(owner)
    server.sighting = Gone()

    poll()
    not_named = server.asked.count("look")
    silent_for(30)
    poll()

    assert (not_named, server.asked.count("look")) == (0, 3)
    assert Job.objects.filter(state="queued").count() == 3


def test_two_answers_to_questions_asked_at_the_same_time_are_one_end_and_nothing_late(
    server: ScriptedServer,
) -> None:
    job = handed_over(ann())
    Pool.objects.update(polled_until="2020-01-01T00:00:00Z", polls_per_second=100)
    Lease.objects.update(poll_at="2020-01-01T00:00:00Z")
    poller = polling.Poller()
    answers = []
    for sighting in (StillRunning(percent=10), Finished(video=VIDEO)):
        server.sighting = sighting
        Lease.objects.update(poll_at="2020-01-01T00:00:00Z")
        poller.claim()
        while poller.is_busy:
            answers += poller.answers(timeout=1.0)
    poller.close()

    following.follow_all(answers)

    assert fresh(job).state == "succeeded"
    assert not LateResult.objects.exists()


def test_a_driver_that_breaks_keeps_nobody_else_waiting(server: ScriptedServer) -> None:
    handed_over(ann())
    server.sighting = KeyError("status")  # type: ignore[assignment]  # a bug of ours

    answers = poll()

    assert [answer.said for answer in answers] == [None]
    assert "KeyError" in answers[0].reason


def test_a_server_that_refuses_to_stop_is_not_taken_for_a_silent_one(
    server: ScriptedServer,
) -> None:
    owner = ann()
    job = handed_over(owner)
    poll()
    transitions.cancel(JobId(job.id), owner_id=owner.id)

    def refuse(_: object) -> Cancellation:
        raise BackendError(FailureKind.BACKEND_UNAVAILABLE, "Not now.")

    server.cancel = refuse  # type: ignore[method-assign, assignment]
    for _ in range(7):
        poll()

    assert Pool.objects.get().unanswered == 0
    assert fresh(job).state == "running"


def test_an_order_that_waits_for_its_turn_to_be_asked_about_is_not_taken_for_lost(
    server: ScriptedServer,
) -> None:
    owner = ann()
    Pool.objects.update(slots=12, polls_per_second=0.1)
    for _ in range(4):
        handed_over(owner)
    Lease.objects.update(expires_at="2020-01-01T00:00:00Z")

    poll(rested=False)

    assert sweeps.rescue_silent_workers(lambda: 0.5) == 0
    assert Job.objects.filter(state="dispatched").count() == 4


def test_what_a_list_did_not_name_is_asked_after_alone_by_the_next_question(
    server: ScriptedServer,
) -> None:
    owner = ann()
    server.asks_many = True
    Pool.objects.update(slots=12, polls_per_second=1_000)
    jobs = [handed_over(owner) for _ in range(4)]
    Lease.objects.update(poll_at="2020-01-01T00:00:00Z")
    server.sighting = Gone()
    poller = polling.Poller()
    for _ in range(2):
        Pool.objects.update(polled_until="2020-01-01T00:00:00Z")
        poller.claim()
        while poller.is_busy:
            following.follow_all(poller.answers(timeout=1.0))
    poller.close()

    assert server.asked.count("look_at_many") == 1
    assert server.asked.count("look") == len(jobs)
    assert Job.objects.filter(state="queued").count() == len(jobs)


def test_a_thousand_in_flight_are_one_list_of_so_many_pages() -> None:
    order = order_for("http://gpu.test", driver="openai_videos", backend_job_id="one")
    question = Question(
        order=order,
        state="running",
        is_unwanted=False,
        is_stop_asked=False,
        is_hinted=False,
        ran_for=1.0,
        expected=30.0,
    )

    batches, later = plan("gpus", [question] * 700, requests=6, asks_many=True, in_flight=1_000)
    few, rest = plan("gpus", [question] * 9, requests=6, asks_many=True, in_flight=1_000)

    assert [(len(one.questions), one.pages) for one in batches] == [(700, 20)]
    assert later == []
    assert [len(one.questions) for one in few] == [1] * 6
    assert len(rest) == 3
