"""The native API over HTTP: submit, follow, cancel, and errors that name the field."""

import json
from typing import Any

import pytest
from django.test import Client

from jobs.models import IdempotencyKey, Job
from notifications.models import OutboxEvent
from tests.factories import Person, ann, cy, queued

pytestmark = pytest.mark.django_db
JOBS = "/api/v1/jobs"


def _post(owner: Person, body: object, *, path: str = JOBS, **headers: str) -> Any:
    text = body if isinstance(body, str) else json.dumps(body)
    return Client().post(
        path, text, content_type="application/json", headers={**owner.headers, **headers}
    )


def test_a_submit_answers_202_with_the_job() -> None:
    response = _post(ann(), {"prompt": "a whale", "seconds": 4, "size": "1280x720"})

    body = response.json()
    assert response.status_code == 202
    assert (body["state"], body["progress"], body["video_url"]) == ("queued", 0, None)
    assert body["credits"] == {"reserved": 8, "charged": 0, "cancel_fee": 0}
    assert set(body["waiting"]) == {
        "reason",
        "sentence",
        "position",
        "start_range",
        "finish_range",
    }


def test_a_repeated_key_gives_the_same_bytes() -> None:
    owner = ann()
    first = _post(owner, {"prompt": "a whale"}, **{"Idempotency-Key": "one"})
    Job.objects.update(version=5)

    second = _post(owner, {"prompt": "a whale"}, **{"Idempotency-Key": "one"})
    other = _post(owner, {"prompt": "a shark"}, **{"Idempotency-Key": "one"})

    assert second.content == first.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert other.status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "\u200b\u202e \ufeff"}, "prompt"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": "x" * 10_000}, "prompt"),
        ({"prompt": "a\x00b"}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "\ud800"}, "prompt"),
        ({"prompt": "x", "model": "sora-9"}, "model"),
        ({"prompt": "x", "model": ["preview"]}, "model"),
        ({"prompt": "x", "seconds": -4}, "seconds"),
        ({"prompt": "x", "seconds": 4.5}, "seconds"),
        ({"prompt": "x", "seconds": True}, "seconds"),
        ({"prompt": "x", "size": "1x1"}, "size"),
        ({"prompt": "x", "size": 480}, "size"),
        ({"prompt": "x", "seed": -1}, "seed"),
        ({"prompt": "x", "state": "succeeded"}, "state"),
        ("not json", "body"),
        ("[1, 2]", "body"),
    ],
)
def test_bad_input_names_the_field_and_writes_nothing(body: object, field: str) -> None:
    response = _post(ann(), body)

    problem = response.json()
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert field in {error["field"] for error in problem["errors"]}
    assert not Job.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer vg_nonsense"}])
def test_without_a_valid_key_nothing_is_answered(header: dict[str, str]) -> None:
    response = Client().get(JOBS, headers=header)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_stranger_sees_the_same_404_as_for_a_missing_job() -> None:
    job_id = queued(ann())
    stranger = cy()
    missing = "01890000-0000-7000-8000-000000000000"

    theirs = Client().get(f"{JOBS}/{job_id}", headers=stranger.headers)
    none = Client().get(f"{JOBS}/{missing}", headers=stranger.headers)
    cancel = _post(stranger, {}, path=f"{JOBS}/{job_id}/cancellation")

    assert (theirs.status_code, none.status_code, cancel.status_code) == (404, 404, 404)
    assert theirs.content == none.content
    assert Job.objects.get(id=job_id).state == "queued"


def test_today_lists_only_ones_own_jobs_newest_first() -> None:
    owner = ann()
    ids = [str(queued(owner)) for _ in range(3)]
    queued(cy())

    response = Client().get(f"{JOBS}?day=today&tz=Europe/Lisbon", headers=owner.headers)

    assert [job["id"] for job in response.json()["jobs"]] == list(reversed(ids))


@pytest.mark.parametrize("query", ["day=yesterdayish", "tz=Mars/Olympus", "day=9999-12-31"])
def test_a_wrong_day_or_zone_is_a_400(query: str) -> None:
    response = Client().get(f"{JOBS}?{query}", headers=ann().headers)

    assert response.status_code == 400


def test_a_cancel_answers_with_the_job() -> None:
    owner = ann()
    job_id = queued(owner)

    response = _post(owner, {}, path=f"{JOBS}/{job_id}/cancellation")

    assert response.status_code == 202
    assert response.json()["state"] == "canceled"
    assert response.json()["error"]["code"] == "canceled"


def test_a_large_body_is_refused() -> None:
    response = _post(ann(), {"prompt": "x" * 70_000})

    assert response.status_code == 413
    assert not Job.objects.exists()


def test_a_list_costs_three_queries_whatever_its_length(
    django_assert_max_num_queries: Any,
) -> None:
    owner = ann()
    for _ in range(10):
        queued(owner)
    Client().get(JOBS, headers=owner.headers)

    # Which jobs, those that are told anew, and their owner's places in line.
    with django_assert_max_num_queries(3):
        Client().get(JOBS, headers=owner.headers)


def test_a_revoked_key_is_refused_after_a_second(settings: Any) -> None:
    from videogen.accounts import keys
    from videogen.accounts.models import ApiKey

    owner = ann()
    assert Client().get(JOBS, headers=owner.headers).status_code == 200
    ApiKey.objects.update(revoked_at="2020-01-01T00:00:00Z")
    keys.forget()

    assert Client().get(JOBS, headers=owner.headers).status_code == 401
