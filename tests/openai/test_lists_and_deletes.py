"""Pages that end, and deletes that mean what owners mean."""

import pytest
from django.test import Client

from jobs.models import Job
from tests.factories import ann, cy, queued, running, succeeded
from tests.openai import states
from tests.openai.calls import VIDEOS, error, get, post_json, send

pytestmark = pytest.mark.django_db(transaction=True)


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
    ids = [states.canceled(owner).id for _ in range(3)]
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
