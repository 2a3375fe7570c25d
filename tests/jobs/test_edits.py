"""Other words for a job that waits: what stays as it was, and when it is too late."""

import json
from functools import partial
from typing import Any

import pytest
from django.test import Client

from jobs import edits, submission
from jobs.errors import EditRefused, JobMissing
from jobs.failures import FailureKind
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.models import Account, Backlog, IdempotencyKey, Job, JobTransition, Lane
from jobs.requests import InvalidFields
from notifications.models import OutboxEvent
from scheduler import dispatch, invariants
from tests.factories import Person, a_request, ann, bob, dispatched, end_attempt, queued, submit
from tests.races import at_once
from videogen.accounts import keys

pytestmark = pytest.mark.django_db(transaction=True)


def _edit(job_id: Any, owner: Person, prompt: str = "a heron", seed: object = "") -> None:
    edits.edit(JobId(job_id), owner_id=owner.id, prompt=prompt, seed=seed)


def _place(owner: Person) -> list[Any]:
    """Give all that says where an owner's jobs stand and what they hold."""
    return [
        list(Backlog.objects.filter(owner_id=owner.id).values()),
        list(Lane.objects.filter(owner_id=owner.id).values()),
        Account.objects.filter(owner_id=owner.id).values().get(),
        list(JobTransition.objects.values()),
    ]


def test_a_waiting_job_gets_other_words_and_keeps_its_place_and_its_price() -> None:
    owner = ann()
    job_id = queued(owner, "a whale")
    before = _place(owner)

    _edit(job_id, owner, "  a heron ", seed="7")

    job = Job.objects.get(id=job_id)
    assert (job.prompt, job.seed, job.version) == ("a heron", 7, 2)
    assert job.edited_at is not None
    assert _place(owner) == before
    told = OutboxEvent.objects.filter(subject_id=job_id).latest("id")
    assert (told.name, told.payload) == ("job.edited", {"state": "queued", "version": 2})
    # What a worker is told is read after the grant.
    dispatch.grant_free_slots()
    assert Job.objects.get(id=job_id).state == "dispatched"
    assert invariants.violations() == []


def test_the_same_words_again_change_nothing_and_tell_nobody() -> None:
    owner = ann()
    job_id = queued(owner, "a whale")

    _edit(job_id, owner, "a whale")

    assert Job.objects.get(id=job_id).version == 1
    assert OutboxEvent.objects.filter(subject_id=job_id).count() == 1


def test_once_a_gpu_was_found_the_words_stay_also_while_it_waits_for_its_second_try() -> None:
    owner = ann()
    job = dispatched(owner)

    with pytest.raises(EditRefused):
        _edit(job.id, owner)
    end_attempt(job, FailureKind.WORKER_LOST)
    with pytest.raises(EditRefused):
        _edit(job.id, owner)

    assert Job.objects.get(id=job.id).prompt == "a whale"


def test_a_job_of_somebody_else_is_not_there() -> None:
    job_id = queued(ann())

    with pytest.raises(JobMissing):
        _edit(job_id, bob())


def test_words_and_seed_are_checked_as_at_the_submission() -> None:
    owner = ann()
    job_id = queued(owner)

    with pytest.raises(InvalidFields) as refused:
        _edit(job_id, owner, " ", seed="many")

    assert refused.value.faults.keys() == {"prompt", "seed"}


def test_the_words_that_it_had_are_another_video_and_its_key_is_still_its_own() -> None:
    owner = ann()
    wanted = a_request("a whale")
    by_form = partial(Claim.by_form, request=wanted)
    submit_ = partial(submission.submit, wanted, owner_id=owner.id)
    made = submit_(claim=by_form("token-1")).job_id
    keyed = submit(owner, "a whale", key="k").job_id
    _edit(made, owner)
    _edit(keyed, owner)

    again = submit_(claim=by_form("token-2"))
    first_form = submit_(claim=by_form("token-1"))
    first_key = submit(owner, "a whale", key="k")

    assert not again.is_replay
    assert (first_form.job_id, first_key.job_id) == (made, keyed)


def test_a_key_gives_its_job_also_when_only_the_job_remembers_it() -> None:
    owner = ann()
    job_id = submit(owner, "a whale", key="k").job_id
    _edit(job_id, owner)
    IdempotencyKey.objects.all().delete()

    again = submit(owner, "a whale", key="k")

    assert (again.job_id, again.is_replay) == (job_id, True)


def test_words_that_come_with_the_grant_are_taken_before_it_or_refused() -> None:
    owner = ann()
    job_id = queued(owner, "a whale")

    def edit() -> str:
        try:
            _edit(job_id, owner)
        except EditRefused:
            return "a whale"
        return "a heron"

    said, _ = at_once.behind(
        f"select from job where id = '{job_id}' for update",
        [edit, lambda: str(dispatch.grant_free_slots())],
    )

    job = Job.objects.get(id=job_id)
    assert (job.prompt, job.state) == (said, "dispatched")
    assert invariants.violations() == []


def test_a_person_edits_on_a_page_that_says_when_it_is_too_late() -> None:
    owner = ann()
    job_id = queued(owner, "a whale")
    address = f"/jobs/{job_id}/edit"
    client, stranger = Client(), Client()
    client.force_login(owner.user)
    stranger.force_login(bob().user)

    empty = client.post(address, {"prompt": " ", "seed": "x"})
    saved = client.post(address, {"prompt": "a heron", "seed": "7"}, follow=True)
    card = client.post(address, {"prompt": "a crane"}, headers={"Accept": "application/json"})
    dispatch.grant_free_slots()
    late = client.post(address, {"prompt": "an owl"})
    shown = client.get(address, headers={"Accept": "application/json"})

    assert (empty.status_code, stranger.get(address).status_code) == (400, 404)
    assert "Describe the video: prompt is empty." in empty.content.decode()
    page = saved.content.decode()
    assert "Saved. It keeps its place in line." in page
    assert "Its owner changed the words." in page
    assert "a crane" in card.json()["card"]
    assert (late.status_code, shown.status_code) == (409, 409)
    assert "It has started with the words that it had." in late.content.decode()
    assert "data-too-late" in shown.json()["form"]
    assert Job.objects.get(id=job_id).prompt == "a crane"


def test_a_job_says_who_sent_it() -> None:
    owner = ann()
    key, secret = keys.issue(owner.user, name="render <b>farm</b>")
    client = Client()
    client.force_login(owner.user)
    body = {"prompt": "a whale"}
    by_key = Client().post(
        "/api/v1/jobs",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    client.post("/", {"prompt": "a heron", "token": "t"})
    in_batch = Client().post(
        "/api/v1/batches",
        json.dumps({"jobs": [body]}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )

    by_page = Job.objects.get(prompt="a heron")
    named = f"API key {key.name}"
    assert in_batch.status_code == 202
    assert by_page.sent_by == "Studio"
    assert set(Job.objects.filter(prompt="a whale").values_list("sent_by", flat=True)) == {named}
    page = client.get(f"/jobs/{by_key.json()['id']}/").content.decode()
    assert "API key render &lt;b&gt;farm&lt;/b&gt;" in page
