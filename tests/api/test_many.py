"""Batches, variations, cancelling many: each safe to repeat, each with a result for every job."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from jobs.models import Account, Batch, Job
from notifications.models import OutboxEvent
from tests.api.calls import get, ids, send
from tests.factories import ann, bob, cy, published, queued, running, succeeded

pytestmark = pytest.mark.django_db
_TWO = {"jobs": [{"prompt": "a whale"}, {"prompt": "a shark", "seconds": 4}]}


def test_a_batch_is_jobs_that_can_be_listed_and_told_together() -> None:
    owner = ann()

    made = send(owner, "batches", _TWO)

    body = made.json()
    assert (made.status_code, body["accepted"], body["refused"]) == (202, 2, 0)
    assert {result["job"]["batch_id"] for result in body["results"]} == {body["id"]}
    assert len(ids(get(owner, f"jobs?batch={body['id']}"))) == 2
    assert ids(get(cy(), f"jobs?batch={body['id']}")) == []
    assert {event.payload["batch_id"] for event in OutboxEvent.objects.all()} == {body["id"]}


def test_a_repeated_batch_is_the_same_batch() -> None:
    owner = ann()
    first = send(owner, "batches", _TWO, **{"Idempotency-Key": "one"})

    second = send(owner, "batches", _TWO, **{"Idempotency-Key": "one"})
    other = send(owner, "batches", {"jobs": _TWO["jobs"][:1]}, **{"Idempotency-Key": "one"})

    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, Job.objects.count()) == (422, 2)


def test_what_a_limit_refused_is_accepted_by_the_same_call_later() -> None:
    owner = bob()
    for _ in range(9):
        queued(owner)
    published()
    first = send(owner, "batches", _TWO, **{"Idempotency-Key": "one"})
    refusal = first.json()["results"][1]["error"]
    taken = first.json()["results"][0]["job"]["id"]
    send(owner, f"jobs/{Job.objects.order_by('created_at').first().id}/cancellation", {})  # type: ignore[union-attr]

    second = send(owner, "batches", _TWO, **{"Idempotency-Key": "one"})

    assert (refusal["code"], refusal["limit"], refusal["value"]) == ("quota_exceeded", "queued", 10)
    assert first.headers["Retry-After"] == str(refusal["retry_after_seconds"])
    assert second.json()["accepted"] == 2
    assert second.json()["results"][0]["job"]["id"] == taken


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "jobs"),
        ({"jobs": []}, "jobs"),
        ({"jobs": [{"prompt": "x"}] * 21}, "jobs"),
        ({"jobs": [{"prompt": "x"}, 7]}, "jobs[1]"),
        ({"jobs": [{"prompt": "x"}, {"prompt": "x", "seconds": 5}]}, "jobs[1].seconds"),
        ({"jobs": [{"prompt": "x"}], "atomic": True}, "atomic"),
    ],
)
def test_a_fault_of_one_request_refuses_the_whole_call(body: object, field: str) -> None:
    response = send(ann(), "batches", body)

    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_batch_sent_many_times_at_once_is_one_batch() -> None:
    owner = ann()

    def submit(_: int) -> Any:
        try:
            return send(owner, "batches", _TWO, **{"Idempotency-Key": "one"}).json()
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(8)))

    assert all(answer == answers[0] for answer in answers)
    assert (Job.objects.count(), Account.objects.get(owner=owner.user).held) == (2, 8)


def test_a_variation_is_the_same_request_with_another_seed() -> None:
    owner = ann()
    source = succeeded(owner)
    path = f"jobs/{source.id}/variations"

    chosen = send(owner, path, {"seed": 7}).json()
    first, again = (send(owner, path, {}, **{"Idempotency-Key": "one"}).json() for _ in range(2))
    by_chance = send(owner, path, {}).json()

    assert (chosen["seed"], chosen["variation_of"]) == (7, str(source.id))
    assert (chosen["prompt"], chosen["size"]) == (source.prompt, source.size)
    assert first == again
    assert len({chosen["seed"], first["seed"], by_chance["seed"]}) == 3
    assert send(cy(), path, {}).status_code == 404
    assert send(owner, path, {"seed": -1}).json()["errors"][0]["field"] == "seed"


def test_cancelling_many_says_what_became_of_each() -> None:
    owner, stranger = ann(), cy()
    done, live, waiting, foreign = (
        succeeded(owner).id,
        running(owner).id,
        queued(owner),
        queued(stranger),
    )
    named = [str(one) for one in (done, live, waiting, foreign)]

    answer = send(owner, "jobs/cancellations", {"ids": named, "max_fee": 0}).json()

    assert [(result["job_id"], result["outcome"]) for result in answer["results"]] == [
        (str(done), "already_ended"),
        (str(live), "fee_changed"),
        (str(waiting), "canceled"),
        (str(foreign), "not_found"),
    ]
    assert Job.objects.get(id=foreign).state == "queued"


def test_cancelling_by_a_filter_leaves_what_does_not_fit() -> None:
    owner = ann()
    whales = {str(queued(owner, "a whale")) for _ in range(2)}
    queued(owner, "a shark")

    answer = send(owner, "jobs/cancellations", {"filter": {"text": "whale"}}).json()

    assert {result["job_id"] for result in answer["results"]} == whales
    assert not answer["more"]
    assert list(Job.objects.filter(state="queued").values_list("prompt", flat=True)) == ["a shark"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ids"),
        ({"ids": [], "filter": {}}, "ids"),
        ({"ids": ["7"]}, "ids"),
        ({"ids": "all"}, "ids"),
        ({"filter": {"owner": "x"}}, "filter"),
        ({"filter": {"status": 7}}, "filter"),
        ({"filter": {"status": "succeeded"}}, "filter"),
        ({"filter": {}, "max_fee": -1}, "max_fee"),
    ],
)
def test_a_wrong_wish_to_cancel_names_the_field(body: object, field: str) -> None:
    response = send(ann(), "jobs/cancellations", body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == field
