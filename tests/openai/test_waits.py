"""Why a video waits, how long, and when to ask again: told beside the documented fields, at the cost of one query."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from jobs.models import Job
from jobs.openai import representation, waits
from jobs.waiting import Waiting
from notifications.models import OutboxEvent
from tests import factories
from tests.factories import Person, ann, published, queued, running, succeeded
from tests.openai.calls import VIDEOS, get, send
from videogen.accounts import access

pytestmark = pytest.mark.django_db(transaction=True)


def _behind_others(owner: Person) -> str:
    """Submit a video that waits behind others while all slots are taken."""
    for _ in range(8):
        factories.dispatched(owner)
    waiting = [queued(owner) for _ in range(3)]
    published()
    return f"{VIDEOS}/{waiting[-1]}"


def test_a_waiting_video_says_why_how_many_are_ahead_and_from_when_to_when() -> None:
    owner = ann()
    path = _behind_others(owner)

    video = get(owner, path).json()
    native = get(owner, f"/api/v1/jobs/{path.rsplit('/', 1)[1]}").json()["waiting"]
    (listed, *_) = get(owner, VIDEOS).json()["data"]

    assert (video["wait_reason"], video["queue_position"]) == (
        native["reason"],
        native["position"],
    )
    assert video["queue_position"] is not None
    for name in ("estimated_start", "estimated_finish"):
        low, high = video[name]
        assert type(low) is type(high) is int
        assert video["created_at"] <= low <= high
    assert listed["queue_position"] == video["queue_position"]
    assert listed["estimated_start"] is not None


def test_ten_polls_of_a_waiting_video_cost_a_query_each(
    django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ten polls are within a second, however slow the machine.
    monkeypatch.setattr(waits, "moment", lambda _: 1)
    monkeypatch.setattr(access, "TRUSTED_FOR", 60.0)
    owner = ann()
    path = _behind_others(owner)
    first = get(owner, path)

    with django_assert_max_num_queries(10):
        polls = [get(owner, path) for _ in range(10)]

    assert {poll.content for poll in polls} == {first.content}
    assert {poll.headers["ETag"] for poll in polls} == {first.headers["ETag"]}


def test_a_finished_video_says_how_long_it_was_generated() -> None:
    owner = ann()
    job = succeeded(owner)
    Job.objects.filter(id=job.id).update(finished_at=F("started_at") + timedelta(seconds=7.25))

    video = get(owner, f"{VIDEOS}/{job.id}").json()

    assert video["inference_time_s"] == 7.25
    assert "queue_position" not in video


@pytest.mark.parametrize(
    ("estimate", "percent", "starts_in", "expected"),
    [
        (4, 0, 0, 250),
        (40, 0, 0, 2_000),
        (40, 90, 0, 250),
        (4, 0, 36, 2_000),
        (4, 0, 3_600, 5_000),
        (4_000, 0, 0, 5_000),
    ],
)
def test_when_to_ask_again_is_a_share_of_what_is_left(
    estimate: float, percent: int, starts_in: int, expected: int
) -> None:
    now = timezone.now()
    start = now + timedelta(seconds=starts_in)
    why = Waiting(reason="slots_busy", sentence="", start_range=(start, start))
    row = {"state": "running", "estimate": estimate, "progress": 0, "lease__percent": percent}

    assert representation.poll_after(row, why=why, now=now) == pytest.approx(expected, abs=1)


def test_a_waiting_video_is_asked_after_less_often_than_one_that_runs() -> None:
    owner = ann()
    path = _behind_others(owner)
    running_path = f"{VIDEOS}/{Job.objects.filter(state='dispatched').first().id}"  # type: ignore[union-attr]

    waits_for, runs_for = (
        int(get(owner, one).headers["openai-poll-after-ms"]) for one in (path, running_path)
    )

    assert waits_for > runs_for


@pytest.mark.parametrize("sent", ["{tag}", '"other", {tag}', "*", "{strong}"])
def test_any_way_of_naming_the_version_that_one_has_is_a_304(sent: str) -> None:
    owner = ann()
    path = f"{VIDEOS}/{running(owner).id}"
    tag = get(owner, path).headers["ETag"]

    again = get(
        owner, path, **{"If-None-Match": sent.format(tag=tag, strong=tag.removeprefix("W/"))}
    )

    assert (again.status_code, again.headers["ETag"]) == (304, tag)


def test_deletions_are_told_to_whoever_follows() -> None:
    owner = ann()
    ended, runs, waiting = succeeded(owner), running(owner), queued(owner)

    for job_id in (waiting, runs.id, ended.id):
        send(owner, "DELETE", f"{VIDEOS}/{job_id}")
        send(owner, "DELETE", f"{VIDEOS}/{job_id}")

    told = dict(
        OutboxEvent.objects.filter(subject_id__in=(waiting, runs.id, ended.id))
        .order_by("id")
        .values_list("subject_id", "name")
    )
    assert told == {
        waiting: "job.removed",
        runs.id: "job.cancel_requested",
        ended.id: "job.removed",
    }
    removed = OutboxEvent.objects.get(subject_id=ended.id, name="job.removed")
    assert removed.owner_id == owner.id
    assert removed.payload["version"] == Job.objects.get(id=ended.id).version
