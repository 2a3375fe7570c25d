"""The OpenAI face as clients meet it that nobody here wrote: words, types, pages, files."""

from typing import Any

import pytest
from django.test import Client

from jobs import submission, transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job
from scheduler import sweeps
from tests import factories
from tests.factories import Person, ann, cy, queued, running, succeeded
from tests.openai.calls import VIDEOS, error, get, post_form, post_json, send

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


def _canceled(owner: Person) -> Job:
    job_id = queued(owner)
    transitions.cancel(job_id, owner_id=owner.id)
    return Job.objects.get(id=job_id)


def _expired(owner: Person) -> Job:
    job_id = queued(owner)
    factories.past_deadline(job_id)
    sweeps.expire_waiting()
    return Job.objects.get(id=job_id)


def _failed(owner: Person) -> Job:
    job = running(owner)
    factories.end_attempt(job, FailureKind.CONTENT_POLICY)
    return job


def _waiting(owner: Person) -> Job:
    return Job.objects.get(id=queued(owner))


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
        (_waiting, "queued", None),
        (factories.dispatched, "queued", None),
        (running, "in_progress", None),
        (succeeded, "completed", None),
        (_failed, "failed", "content_policy"),
        (_canceled, "failed", "canceled"),
        (_expired, "failed", "expired"),
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


def test_a_list_is_newest_first_and_pages_end() -> None:
    owner = ann()
    ids = [f"video_{queued(owner).hex}" for _ in range(5)]
    queued(cy())

    whole = get(owner, VIDEOS).json()
    seen, after = [], ""
    while True:
        page = get(owner, f"{VIDEOS}?limit=2{after and f'&after={after}'}").json()
        seen += [video["id"] for video in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    ascending = get(owner, f"{VIDEOS}?order=asc&after={ids[1]}").json()

    assert [video["id"] for video in whole["data"]] == ids[::-1]
    assert (whole["object"], whole["has_more"]) == ("list", False)
    assert (whole["first_id"], whole["last_id"]) == (ids[4], ids[0])
    assert seen == ids[::-1]
    assert [video["id"] for video in ascending["data"]] == ids[2:]


def test_a_page_begins_behind_a_video_that_was_deleted_meanwhile() -> None:
    owner = ann()
    ids = [_canceled(owner).id for _ in range(3)]
    send(owner, "DELETE", f"{VIDEOS}/{ids[1]}")

    page = get(owner, f"{VIDEOS}?after=video_{ids[1].hex}").json()

    assert [video["id"] for video in page["data"]] == [f"video_{ids[0].hex}"]


def test_an_empty_list_has_all_its_fields() -> None:
    assert get(ann(), VIDEOS).json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=-1", "limit"),
        ("order=up", "order"),
        ("after=video_0", "after"),
        ("after=01890000-0000-7000-8000-000000000000", "after"),
    ],
)
def test_a_wrong_list_parameter_is_named(query: str, param: str) -> None:
    response = get(ann(), f"{VIDEOS}?{query}")

    assert response.status_code == 400
    assert error(response)["param"] == param


def test_a_delete_cancels_what_lives() -> None:
    owner = ann()
    job_id = queued(owner)

    answer = send(owner, "DELETE", f"{VIDEOS}/{job_id}", content_type="application/json")

    assert answer.json() == {
        "id": f"video_{job_id.hex}",
        "object": "video.deleted",
        "deleted": True,
    }
    assert Job.objects.get().state == "canceled"
    assert get(owner, f"{VIDEOS}/{job_id}").json()["error"]["code"] == "canceled"


def test_a_delete_of_a_running_one_asks_it_to_stop_and_hides_nothing() -> None:
    owner = ann()
    job = running(owner)

    send(owner, "DELETE", f"{VIDEOS}/{job.id}")

    job.refresh_from_db()
    assert job.is_cancel_requested
    assert job.hidden_at is None
    assert get(owner, f"{VIDEOS}/{job.id}").json()["cancel_requested"]


def test_a_delete_hides_what_ended_from_every_face_and_page() -> None:
    owner = ann()
    job = succeeded(owner)
    browser = Client()
    browser.force_login(owner.user)

    send(owner, "DELETE", f"{VIDEOS}/{job.id}")

    assert get(owner, f"{VIDEOS}/{job.id}").status_code == 404
    assert get(owner, f"{VIDEOS}/{job.id}/content").status_code == 404
    assert get(owner, f"/api/v1/jobs/{job.id}").status_code == 404
    assert get(owner, VIDEOS).json()["data"] == []
    assert get(owner, "/api/v1/jobs").json()["jobs"] == []
    assert browser.get(f"/jobs/{job.id}/").status_code == 404
    assert send(owner, "DELETE", f"{VIDEOS}/{job.id}").status_code == 404
    job.refresh_from_db()
    assert (job.state, job.credits_charged) == ("succeeded", job.credits_reserved)


def test_a_repeated_key_is_answered_as_before_though_its_video_was_deleted() -> None:
    owner = ann()
    first = post_json(owner, {"prompt": "a whale"}, **{"Idempotency-Key": "one"})
    for _ in range(2):
        send(owner, "DELETE", f"{VIDEOS}/{first.json()['id']}")

    again = post_json(owner, {"prompt": "a whale"}, **{"Idempotency-Key": "one"})

    assert get(owner, f"{VIDEOS}/{first.json()['id']}").status_code == 404
    assert again.content == first.content
    assert Job.objects.count() == 1


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


def test_a_remix_is_a_new_video_that_names_its_source() -> None:
    owner = ann()
    source = succeeded(owner)

    video = post_json(owner, {"prompt": "at night"}, f"{VIDEOS}/{source.id}/remix").json()

    job = Job.objects.get(remixed_from=source.id)
    assert video["remixed_from_video_id"] == f"video_{source.id.hex}"
    assert (video["prompt"], video["status"]) == ("at night", "queued")
    assert (job.model, job.seconds, job.size) == (source.model, source.seconds, source.size)


def test_a_remix_of_a_remix_draws_the_first_scene() -> None:
    from jobs import materials, orders
    from jobs.backends.backend import Needs, Order

    owner = ann()
    first = succeeded(owner)
    second = Job.objects.get(id=succeeded(owner).id)
    Job.objects.filter(id=second.id).update(remixed_from=first.id, prompt="at night")
    order = Order(
        job_id=JobId(second.id),
        owner_id=second.owner_id,
        attempt=1,
        prompt="in snow",
        model="preview",
        seconds=4,
        width=854,
        height=480,
        seed=None,
        site=orders.site_of(factories.preview_pool()),
        needs=Needs(remixed_from=second.id),
    )

    source = materials.complete(order).source

    assert source is not None
    assert (source.prompt, source.pool) == (first.prompt, "preview")


def test_a_remix_of_an_unfinished_video_is_refused_for_good() -> None:
    owner = ann()
    response = post_json(owner, {"prompt": "at night"}, f"{VIDEOS}/{queued(owner)}/remix")

    assert response.status_code == 409
    assert error(response)["code"] == "remix_refused"
    assert response.headers["X-Should-Retry"] == "false"


def test_a_model_that_cannot_change_videos_says_so() -> None:
    owner = ann()
    source = succeeded(owner)
    factories.change_preview_pool(can_remix=False)

    response = post_json(owner, {"prompt": "at night"}, f"{VIDEOS}/{source.id}/remix")

    assert response.status_code == 400
    assert "cannot change a video" in error(response)["message"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("edits", "not_supported"), ("extensions", "not_supported"), ("characters", "not_supported")],
)
def test_what_no_pool_can_do_is_refused_in_the_right_shape(path: str, code: str) -> None:
    response = post_form(ann(), ("prompt", "x"), ("video", b"0" * 1000), path=f"{VIDEOS}/{path}")

    assert response.status_code == 400
    assert error(response)["code"] == code


@pytest.mark.parametrize("variant", ["", "?variant=video", "?variant=thumbnail"])
def test_content_sends_the_client_on_without_our_key(variant: str) -> None:
    owner = ann()
    response = get(
        owner,
        f"{VIDEOS}/{succeeded(owner).id}/content{variant}",
        Accept="application/binary",
    )

    wanted = factories.VIDEO.thumbnail_url if "thumbnail" in variant else factories.VIDEO.url
    assert (response.status_code, response.headers["Location"]) == (302, wanted)


def test_a_video_that_only_we_may_fetch_is_sent_on_with_a_ticket(settings: Any) -> None:
    owner = ann()
    job = succeeded(owner)
    Job.objects.filter(id=job.id).update(video_url=f"{settings.PUBLIC_URL}/jobs/{job.id}/videos/1")

    response = get(owner, f"{VIDEOS}/{job.id}/content")

    assert response.status_code == 302
    assert f":{settings.PUSH_PORT}/content/" in response.headers["Location"]


@pytest.mark.parametrize(
    ("make", "query", "status", "code"),
    [
        (_waiting, "", 404, "video_not_ready"),
        (_failed, "", 404, "video_failed"),
        (succeeded, "?variant=spritesheet", 404, "variant_not_available"),
        (succeeded, "?variant=1", 400, "invalid_request"),
    ],
)
def test_a_file_that_is_not_there_is_told_why(
    make: Any, query: str, status: int, code: str
) -> None:
    owner = ann()
    response = get(owner, f"{VIDEOS}/{make(owner).id}/content{query}")

    assert (response.status_code, error(response)["code"]) == (status, code)


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
