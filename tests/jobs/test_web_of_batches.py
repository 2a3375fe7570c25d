"""The page of a batch, deleting, and taking a cancel back: a form is posted, and the answer says what happened."""

import html
import re
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from jobs import batch_ends, batches, removal, transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Batch, Job, Tier
from scheduler import dispatch
from tests.factories import VIDEO, Person, a_request, ann, bob, end_attempt, queued, succeeded

pytestmark = pytest.mark.django_db(transaction=True)
JSON = {"Accept": "application/json"}


def _browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def _text(answer: Any) -> str:
    """Give what a page says, without its markup."""
    main = answer.content.decode().partition("<main")[2].partition("</main>")[0]
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


def _batch(owner: Person, size: int) -> tuple[UUID, list[JobId]]:
    wanted = [a_request(f"take {number}") for number in range(size)]
    made = batches.submit(wanted, owner_id=owner.id, key=None)
    batch_ends.close(made.batch_id)
    return made.batch_id, [one.accepted.job_id for one in made.results if one.accepted]


def _one_failed_two_ready(owner: Person) -> tuple[UUID, list[JobId]]:
    batch_id, ids = _batch(owner, 3)
    while dispatch.grant_free_slots():
        for job in Job.objects.filter(state="dispatched"):
            transitions.start(JobId(job.id), attempt=job.attempt)
            if job.id == ids[0]:
                end_attempt(job, FailureKind.INVALID_REQUEST)
            else:
                transitions.succeed(JobId(job.id), attempt=job.attempt, video=VIDEO)
    return batch_id, ids


def test_a_batch_says_in_one_sentence_what_it_came_to() -> None:
    owner = ann()
    batch_id, ids = _one_failed_two_ready(owner)
    elsewhere = queued(owner, "not of the batch")

    shown = _browser(owner).get(f"/batches/{batch_id}")

    assert "2 of 3 ready, 1 failed" in _text(shown)
    page = shown.content.decode()
    assert all(f'data-job="{one}"' in page for one in ids)
    assert str(elsewhere) not in page
    assert f"/batches/{batch_id}" in _browser(owner).get(f"/jobs/{ids[0]}/").content.decode()


def test_a_retry_stands_in_the_place_of_what_failed() -> None:
    owner = ann()
    client = _browser(owner)
    batch_id, ids = _one_failed_two_ready(owner)

    asked = client.get(f"/batches/{batch_id}/retry-failed")
    assert "Retry 1 video that failed?" in _text(asked)
    done = client.post(f"/batches/{batch_id}/retry-failed")
    assert done.headers["Location"] == f"/batches/{batch_id}"
    shown = client.get(f"/batches/{batch_id}")

    assert "2 of 3 ready, 1 waiting" in _text(shown)
    retry = Job.objects.get(retry_of=ids[0])
    assert f'data-job="{retry.id}"' in shown.content.decode()
    assert f'data-job="{ids[0]}"' not in shown.content.decode()


def test_cancelling_a_batch_leaves_the_other_jobs_alone() -> None:
    owner = ann()
    client = _browser(owner)
    batch_id, ids = _batch(owner, 2)
    elsewhere = queued(owner, "not of the batch")

    answer = client.post(f"/batches/{batch_id}/cancel-waiting", headers=JSON).json()

    assert answer["detail"] == "2 videos cancelled, free."
    assert set(answer["undo"]) == {str(one) for one in ids}
    assert Job.objects.get(id=elsewhere).state == "queued"
    whole = client.get(f"/batches/{batch_id}", headers=JSON).json()
    assert "0 of 2 ready, 2 cancelled" in whole["summary"]
    assert whole["under_way"] == ""


def test_a_batch_says_when_it_was_sent_in_the_zone_of_its_owner() -> None:
    owner = ann()
    owner.user.time_zone = "Asia/Kathmandu"
    owner.user.save()
    batch_id, _ = _batch(owner, 2)
    client = _browser(owner)
    at = Batch.objects.get().created_at.astimezone(ZoneInfo("Asia/Kathmandu"))

    page = _text(client.get(f"/batches/{batch_id}"))
    part = client.get(f"/batches/{batch_id}", headers=JSON).json()["summary"]

    assert f"at {at:%H:%M:%S}, Asia/Kathmandu time" in page
    assert f"at {at:%H:%M:%S}, Asia/Kathmandu time" in part


def test_requests_that_met_a_limit_and_videos_that_were_deleted_are_told_of() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(queued_limit=2)
    batch_id, ids = _batch(owner, 3)
    transitions.cancel(ids[0], owner_id=owner.id)
    removal.remove(ids[0], owner_id=owner.id)

    shown = _text(_browser(owner).get(f"/batches/{batch_id}"))

    assert "0 of 3 ready, 1 waiting" in shown
    assert "1 of its requests met a limit and was not taken." in shown
    assert "1 deleted." in shown


@pytest.mark.parametrize("rest", ["", "/cancel-waiting", "/retry-failed"])
def test_the_batch_of_somebody_else_is_not_there(rest: str) -> None:
    batch_id, _ = _batch(ann(), 1)
    stranger = _browser(bob())

    assert stranger.get(f"/batches/{batch_id}{rest}").status_code == 404
    assert Client().get(f"/batches/{batch_id}{rest}").status_code == 302
    if rest:
        assert stranger.post(f"/batches/{batch_id}{rest}").status_code == 404
    assert Job.objects.filter(state="queued").count() == 1


def test_a_cancel_is_undone_once_and_only_by_its_owner() -> None:
    owner = ann()
    job_id = queued(owner)
    client = _browser(owner)
    before = Account.objects.get(owner_id=owner.id).balance

    answer = client.post(f"/jobs/{job_id}/cancel", headers=JSON).json()
    assert answer["undo"] == str(job_id)
    fields = {"job": [answer["undo"], "no id", str(uuid4())]}
    stolen = _browser(bob()).post("/jobs/put-back", fields).json()
    assert stolen["detail"].startswith("0 videos")
    back = [client.post("/jobs/put-back", fields).json()["detail"] for _ in range(2)]

    assert back[0] == "1 video is back in line, at its end."
    assert Job.objects.filter(retry_of=job_id).count() == 1
    assert Account.objects.get(owner_id=owner.id).balance == before


def test_an_ended_video_is_deleted_after_a_question() -> None:
    owner = ann()
    job = succeeded(owner)
    client = _browser(owner)

    asked = client.get(f"/jobs/{job.id}/delete")
    assert "cannot be brought back" in _text(asked)
    assert "stay charged" in _text(asked)
    assert client.get(f"/jobs/{job.id}/").status_code == 200
    assert client.post(f"/jobs/{job.id}/delete").headers["Location"] == "/"

    assert client.get(f"/jobs/{job.id}/").status_code == 404
    assert client.post(f"/jobs/{job.id}/delete").status_code == 404


def test_what_still_lives_is_cancelled_not_deleted() -> None:
    owner = ann()
    job_id = queued(owner)
    client = _browser(owner)

    refused = client.post(f"/jobs/{job_id}/delete")

    assert refused.status_code == 409
    assert "Cancel it first" in _text(refused)
    assert _browser(bob()).post(f"/jobs/{job_id}/delete").status_code == 404
    assert Job.objects.get(id=job_id).state == "queued"
