"""The OpenAI face as clients meet it that nobody here wrote: words, types, pages, files."""

from typing import Any

import pytest

from jobs import submission, transitions
from jobs.ids import JobId
from jobs.models import Job
from tests import factories
from tests.factories import Person, ann, queued, running, succeeded
from tests.openai import states
from tests.openai.calls import VIDEOS, error, get, post_form, post_json

pytestmark = pytest.mark.django_db(transaction=True)

_INTEGER = (int,)
_OPTIONAL_INTEGER = (int, type(None))
_TYPES: dict[str, tuple[type, ...]] = {
    "id": (str,),
    "object": (str,),
    "status": (str,),
    "progress": _INTEGER,
    "created_at": _INTEGER,
    "completed_at": _OPTIONAL_INTEGER,
    "expires_at": _OPTIONAL_INTEGER,
    "model": (str,),
    "prompt": (str,),
    "seconds": (str,),
    "size": (str,),
    "remixed_from_video_id": (str, type(None)),
    "error": (dict, type(None)),
}


def _video(owner: Person, job: Job) -> dict[str, Any]:
    found: dict[str, Any] = get(owner, f"{VIDEOS}/video_{job.id.hex}").json()
    return found


def _expect_documented_types(video: dict[str, Any]) -> None:
    for name, kinds in _TYPES.items():
        assert type(video[name]) in kinds, (name, video[name])
    assert video["object"] == "video"
    assert video["status"] in {"queued", "in_progress", "completed", "failed"}
    assert video["seconds"].isdigit()
    assert 0 <= video["progress"] <= 100


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (states.waiting, "queued", None),
        (factories.dispatched, "queued", None),
        (running, "in_progress", None),
        (succeeded, "completed", None),
        (states.failed, "failed", "content_policy"),
        (states.canceled, "failed", "canceled"),
        (states.expired, "failed", "expired"),
    ],
)
def test_a_job_in_any_state_has_one_of_four_words_and_the_documented_types(
    make: Any, status: str, code: str | None
) -> None:
    owner = ann()
    video = _video(owner, make(owner))

    _expect_documented_types(video)
    assert video["status"] == status
    assert (video["error"] or {}).get("code") == code
    assert (video["completed_at"] is not None) == (status == "completed")
    assert not video["error"] or set(video["error"]) == {"code", "message"}


@pytest.mark.parametrize("encoding", [post_form, post_json], ids=["form", "json"])
def test_a_create_is_taken_as_a_form_and_as_json(encoding: Any) -> None:
    fields = [("prompt", "a whale"), ("seconds", "8"), ("size", "1280x720"), ("seed", "7")]
    owner = ann()
    response = encoding(owner, *fields) if encoding is post_form else encoding(owner, dict(fields))

    video = response.json()
    assert response.status_code == 200
    _expect_documented_types(video)
    assert (video["status"], video["seconds"], video["size"]) == ("queued", "8", "1280x720")
    assert Job.objects.get().seed == 7


def test_a_model_of_the_withdrawn_api_means_the_default_one() -> None:
    video = post_form(ann(), ("prompt", "a whale"), ("model", "sora-2")).json()

    assert video["model"] == "preview"


def test_both_faces_take_both_forms_of_an_id() -> None:
    owner = ann()
    job_id = queued(owner)
    forms = [str(job_id), job_id.hex, f"video_{job_id.hex}"]

    found = [get(owner, f"{VIDEOS}/{form}").json()["id"] for form in forms]
    native = [get(owner, f"/api/v1/jobs/{form}").json()["id"] for form in forms]

    assert set(found) == {f"video_{job_id.hex}"}
    assert set(native) == {str(job_id)}


def test_a_live_video_says_when_to_ask_again_and_an_ended_one_does_not() -> None:
    owner = ann()
    live = get(owner, f"{VIDEOS}/{running(owner).id}")
    ended = get(owner, f"{VIDEOS}/{succeeded(owner).id}")

    assert 250 <= int(live.headers["openai-poll-after-ms"]) <= 2000
    assert "openai-poll-after-ms" not in ended.headers


def test_a_poll_costs_one_query_and_nothing_new_costs_no_body(
    django_assert_max_num_queries: Any,
) -> None:
    owner = ann()
    job = running(owner)
    first = get(owner, f"{VIDEOS}/{job.id}")

    with django_assert_max_num_queries(1):
        again = get(owner, f"{VIDEOS}/{job.id}", **{"If-None-Match": first.headers["ETag"]})
    transitions.succeed(JobId(job.id), attempt=1, video=factories.VIDEO)
    after = get(owner, f"{VIDEOS}/{job.id}", **{"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert (after.status_code, after.json()["status"]) == (200, "completed")


def test_a_key_over_another_boundary_and_encoding_is_the_same_video() -> None:
    owner = ann()
    key = {"Idempotency-Key": "one"}
    forms = [
        post_form(owner, ("prompt", "a whale"), boundary=boundary, **key)
        for boundary in ("first-boundary", "second-boundary")
    ]
    json = post_json(owner, {"prompt": "a whale"}, **key)
    other = post_form(owner, ("prompt", "a heron"), **key)

    assert len({answer.content for answer in (*forms, json)}) == 1
    assert "Idempotent-Replayed" not in forms[0].headers
    assert forms[1].headers["Idempotent-Replayed"] == "true"
    assert Job.objects.count() == 1
    assert (other.status_code, error(other)["code"]) == (422, "idempotency_key_reused")


def test_a_try_that_an_sdk_counts_makes_no_second_video() -> None:
    owner = ann()
    ids = [
        post_form(
            owner,
            ("prompt", "a whale"),
            boundary=f"b-{count}",
            **{"X-Stainless-Retry-Count": str(count)},
        ).json()["id"]
        for count in (0, 1, 2)
    ]

    assert len(set(ids)) == 1


def test_models_begin_with_the_default() -> None:
    owner = ann()
    page = get(owner, "/v1/models").json()
    one = get(owner, "/v1/models/preview").json()
    default = submission.submit(factories.a_request(), owner_id=owner.id).job_id

    assert page["object"] == "list"
    assert page["data"][0] == one
    assert one["id"] == Job.objects.get(id=default).model
    assert {name: type(one[name]) for name in ("id", "object", "created", "owned_by")} == {
        "id": str,
        "object": str,
        "created": int,
        "owned_by": str,
    }
    assert error(get(owner, "/v1/models/none"))["code"] == "not_found"
