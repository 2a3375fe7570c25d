"""Over HTTP: quotes, deadlines, counted retries, cancels that cost, retries of ended jobs."""

import json
from typing import Any

import pytest
from django.test import Client

from jobs import late_results, submission, transitions
from jobs.errors import Busy, StillInProgress
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Job, LedgerEntry
from tests.factories import (
    VIDEO,
    Person,
    ann,
    cy,
    end_attempt,
    past_deadline,
    queued,
    running,
    succeeded,
)

pytestmark = pytest.mark.django_db(transaction=True)
JOBS = "/api/v1/jobs"


def _post(owner: Person, body: object, *, path: str = JOBS, **headers: str) -> Any:
    return Client().post(
        path,
        json.dumps(body),
        content_type="application/json",
        headers={**owner.headers, **headers},
    )


def test_a_quote_says_the_price_and_what_a_cancel_costs_and_submits_nothing() -> None:
    owner = ann()

    quote = _post(owner, {"prompt": "a whale", "seconds": 8}, path="/api/v1/quotes")

    assert quote.status_code == 200
    assert quote.json()["credits"] == 8
    assert quote.json()["cancel"] == {"waiting": 0, "running": 3}
    assert not Job.objects.exists()


def test_a_quote_is_what_the_job_then_reserves() -> None:
    owner = ann()
    body = {"prompt": "a whale", "seconds": 12, "size": "1280x720"}

    quoted = _post(owner, body, path="/api/v1/quotes").json()["credits"]
    job = _post(owner, body).json()

    assert job["credits"]["reserved"] == quoted
    assert -LedgerEntry.objects.get(kind="reserve").balance_delta == quoted


def test_deadlines_are_times_on_the_job() -> None:
    job = _post(ann(), {"prompt": "a whale", "start_within": 60, "finish_within": 600}).json()

    assert job["start_by"] < job["finish_by"]


@pytest.mark.parametrize("value", [0, 9, "soon", 10**9, True])
@pytest.mark.parametrize("field", ["start_within", "finish_within"])
def test_a_deadline_that_cannot_be_kept_is_refused_by_name(field: str, value: object) -> None:
    answer = _post(ann(), {"prompt": "a whale", field: value})

    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert not Job.objects.exists()


def test_a_counted_retry_gives_the_earlier_job_marked_as_replayed() -> None:
    owner = ann()
    first = _post(owner, {"prompt": "a whale"}, **{"X-Stainless-Retry-Count": "0"})

    second = _post(owner, {"prompt": "a whale"}, **{"X-Stainless-Retry-Count": "1"})
    third = _post(owner, {"prompt": "a whale"}, **{"X-Stainless-Retry-Count": "0"})

    assert second.json()["id"] == first.json()["id"]
    assert second.headers["Idempotent-Replayed"] == "true"
    assert third.json()["id"] != first.json()["id"]


def test_a_retry_is_a_new_job_that_names_the_old_one_and_repeats_as_such() -> None:
    owner = ann()
    job_id = queued(owner)
    _post(owner, {}, path=f"{JOBS}/{job_id}/cancellation")

    first = _post(owner, {}, path=f"{JOBS}/{job_id}/retry")
    second = _post(owner, {}, path=f"{JOBS}/{job_id}/retry")

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["retry_of"] == str(job_id)
    assert second.content == first.content
    assert second.headers["Idempotent-Replayed"] == "true"


def test_what_has_its_video_or_is_under_way_is_not_retried() -> None:
    owner = ann()
    answers = [
        _post(owner, {}, path=f"{JOBS}/{job_id}/retry")
        for job_id in (succeeded(owner).id, queued(owner))
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert {answer.json()["code"] for answer in answers} == {"retry_refused"}


def test_a_strangers_job_is_not_retried() -> None:
    job_id, stranger = queued(ann()), cy()

    assert _post(stranger, {}, path=f"{JOBS}/{job_id}/retry").status_code == 404


def test_a_cancel_within_the_agreed_fee_only() -> None:
    owner = ann()
    job = running(owner)
    path = f"{JOBS}/{job.id}/cancellation"

    dear = _post(owner, {"max_fee": 1}, path=path)
    wrong = _post(owner, {"max_fee": "much"}, path=path)
    agreed = _post(owner, {"max_fee": 2}, path=path)

    assert (dear.status_code, dear.json()["code"]) == (409, "cancel_fee_changed")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "max_fee")
    assert agreed.status_code == 202
    assert agreed.json()["credits"]["cancel_fee"] == 2


@pytest.mark.parametrize(("refusal", "status"), [(StillInProgress("one"), 409), (Busy(), 503)])
def test_a_submission_that_must_wait_says_how_long(
    monkeypatch: pytest.MonkeyPatch, refusal: Exception, status: int
) -> None:
    owner = ann()

    def refuse(*_: Any, **__: Any) -> None:
        raise refusal

    monkeypatch.setattr(submission, "submit", refuse)

    answer = _post(owner, {"prompt": "a whale"})

    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "1")


def test_a_late_video_is_shown_and_not_charged() -> None:
    owner = ann()
    job = running(owner)
    past_deadline(job.id)
    Job.objects.filter(id=job.id).update(cancel_requested_at="2026-01-01T00:00:00Z", cancel_fee=0)

    transitions.confirm_stop(JobId(job.id), attempt=1)
    late_results.keep(JobId(job.id), attempt=1, video=VIDEO)

    shown = Client().get(f"{JOBS}/{job.id}", headers=owner.headers).json()

    assert (shown["state"], shown["video_url"]) == ("canceled", None)
    assert shown["late_result"]["video_url"] == VIDEO.url
    assert shown["credits"]["charged"] == 0
    assert Account.objects.get(owner_id=owner.id).held == 0


def test_a_list_and_a_job_have_another_tag_after_a_late_video() -> None:
    owner = ann()
    job = running(owner)
    end_attempt(job, FailureKind.CONTENT_POLICY)
    before = {url: Client().get(url, headers=owner.headers) for url in (JOBS, f"{JOBS}/{job.id}")}

    late_results.keep(JobId(job.id), attempt=1, video=VIDEO)

    for url, old in before.items():
        assert (old.status_code, bool(old.headers["ETag"])) == (200, True)
        assert VIDEO.url not in old.content.decode()
        sent = owner.headers | {"If-None-Match": old.headers["ETag"]}
        answer = Client().get(url, headers=sent)
        assert answer.status_code == 200
        assert VIDEO.url in answer.content.decode()
