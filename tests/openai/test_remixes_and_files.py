"""What comes after a finished video: its files, and changes of it."""

from typing import Any

import pytest

from jobs import materials, orders
from jobs.backends.backend import Needs, Order
from jobs.ids import JobId, OwnerId
from jobs.models import Job
from tests import factories
from tests.factories import ann, queued, succeeded
from tests.openai import states
from tests.openai.calls import VIDEOS, error, get, post_form, post_json

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_remix_is_a_new_video_that_names_its_source() -> None:
    owner = ann()
    source = succeeded(owner)

    video = post_json(owner, {"prompt": "at night"}, f"{VIDEOS}/{source.id}/remix").json()

    job = Job.objects.get(remixed_from=source.id)
    assert video["remixed_from_video_id"] == f"video_{source.id.hex}"
    assert (video["prompt"], video["status"]) == ("at night", "queued")
    assert (job.model, job.seconds, job.size) == (source.model, source.seconds, source.size)


def test_a_remix_of_a_remix_draws_the_first_scene() -> None:
    owner = ann()
    first = succeeded(owner)
    second = Job.objects.get(id=succeeded(owner).id)
    Job.objects.filter(id=second.id).update(remixed_from=first.id, prompt="at night")
    order = Order(
        job_id=JobId(second.id),
        owner_id=OwnerId(owner.id),
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
        (states.waiting, "", 404, "video_not_ready"),
        (states.failed, "", 404, "video_failed"),
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
