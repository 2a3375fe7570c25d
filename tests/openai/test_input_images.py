"""An image that a video begins from: known by its bytes, kept as long as it is needed, and really sent."""

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from jobs import images, leases, materials, transitions
from jobs.backends.backend import BackendError, Order, Picture, Source
from jobs.backends.fal import FalBackend
from jobs.backends.openai_videos.driver import OpenAIVideosBackend
from jobs.backends.replicate import ReplicateBackend
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, InputImage, Job
from scheduler import dispatch, sweeps
from tests import factories
from tests.factories import Person, ann, cy
from tests.jobs.backends import video_servers
from tests.jobs.backends.hosted_orders import order_for
from tests.jobs.backends.scripted_http import Scripted
from tests.openai import pictures
from tests.openai.calls import VIDEOS, error, get, post_form, post_json

pytestmark = pytest.mark.django_db(transaction=True)

RED, BLUE = pictures.png(200, 0, 0), pictures.png(0, 0, 200)
_PICTURE = Picture(content=RED, mime="image/png")


def _with_image(owner: Person, image: bytes = RED, **headers: str) -> Any:
    return post_form(owner, ("prompt", "a whale"), ("input_reference", image), **headers)


def _old() -> None:
    InputImage.objects.update(used_at=F("used_at") - timedelta(days=3))


def _picked_up(job_id: JobId) -> Order:
    dispatch.grant_free_slots()
    order = leases.pick_up(job_id, attempt=1, worker="gpu@one")
    assert order is not None
    return order


@pytest.mark.parametrize(
    ("content", "mime"),
    [
        (RED, "image/png"),
        (b"\xff\xd8\xff\xe0 and more", "image/jpeg"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
@pytest.mark.parametrize("path", [VIDEOS, "/api/v1/jobs"])
def test_what_an_image_is_is_told_by_its_bytes(path: str, content: bytes, mime: str) -> None:
    owner = ann()
    response = post_form(owner, ("prompt", "x"), ("input_reference", content), path=path)

    kept = InputImage.objects.get()
    assert response.status_code in {200, 202}
    assert (kept.mime, bytes(kept.content), kept.owner_id) == (mime, content, owner.id)


def test_a_data_uri_is_the_same_image_as_a_file() -> None:
    owner = ann()
    key = {"Idempotency-Key": "one"}
    url = f"data:image/png;base64,{base64.b64encode(RED).decode()}"

    form = _with_image(owner, RED, **key)
    json = post_json(owner, {"prompt": "a whale", "input_reference": {"image_url": url}}, **key)
    bracketed = post_form(
        owner, ("prompt", "a whale"), ("input_reference[image_url]", url), boundary="b-2", **key
    )

    assert form.content == json.content == bracketed.content
    assert Job.objects.count() == InputImage.objects.count() == 1


def test_another_image_under_the_same_key_is_another_request() -> None:
    owner = ann()
    _with_image(owner, RED, **{"Idempotency-Key": "one"})
    other = _with_image(owner, BLUE, **{"Idempotency-Key": "one"})

    assert (other.status_code, error(other)["code"]) == (422, "idempotency_key_reused")
    assert InputImage.objects.count() == 1


def test_a_model_that_takes_no_image_refuses_it_at_the_door() -> None:
    owner = ann()
    factories.change_preview_pool(image_input="")

    response = _with_image(owner)

    assert (response.status_code, error(response)["param"]) == (400, "input_reference")
    assert not get(owner, "/v1/models/preview").json()["takes_image"]
    assert not InputImage.objects.exists()


def test_a_refused_request_leaves_no_image() -> None:
    owner = ann()
    Account.objects.filter(owner_id=owner.id).update(balance=0)

    assert _with_image(owner).status_code == 429
    assert not InputImage.objects.exists()


def test_the_worker_gets_the_image_and_nobody_else_carries_it() -> None:
    _with_image(ann())
    order = _picked_up(JobId(Job.objects.get().id))

    assert order.image is None
    assert materials.complete(order).image == _PICTURE


def test_an_image_that_is_gone_fails_the_attempt_and_makes_no_other_video() -> None:
    _with_image(ann())
    order = _picked_up(JobId(Job.objects.get().id))
    InputImage.objects.all().delete()

    with pytest.raises(BackendError) as lost:
        materials.complete(order)

    assert lost.value.kind is FailureKind.INVALID_REQUEST


def test_an_image_stays_while_a_job_may_need_it_and_goes_some_time_after() -> None:
    owner = ann()
    _with_image(owner)
    job_id = JobId(Job.objects.get().id)
    _old()
    kept_for_live = sweeps.forget_images()
    transitions.cancel(job_id, owner_id=owner.id)
    kept_for_retry = sweeps.forget_images()
    Job.objects.update(finished_at=timezone.now() - timedelta(days=3))

    assert (kept_for_live, kept_for_retry, sweeps.forget_images()) == (0, 0, 1)
    assert not InputImage.objects.exists()


def test_an_image_of_another_owner_keeps_nothing_alive() -> None:
    _with_image(ann())
    stranger = cy()
    InputImage.objects.create(
        owner_id=stranger.id, digest=images.of_bytes(RED).digest, mime="image/png", content=RED
    )
    _old()

    assert sweeps.forget_images() == 1
    assert not InputImage.objects.filter(owner_id=stranger.id).exists()


def test_a_retry_begins_from_the_same_image_or_says_that_it_is_gone() -> None:
    owner = ann()
    _with_image(owner)
    first = Job.objects.get()
    transitions.cancel(JobId(first.id), owner_id=owner.id)
    again = post_json(owner, {}, f"/api/v1/jobs/{first.id}/retry")
    second = Job.objects.get(retry_of=first.id)
    transitions.cancel(JobId(second.id), owner_id=owner.id)
    InputImage.objects.all().delete()

    gone = post_json(owner, {}, f"/api/v1/jobs/{second.id}/retry")

    assert again.status_code == 202
    assert second.image_digest == first.image_digest
    assert gone.status_code == 400
    assert gone.json()["errors"][0]["field"] == "input_reference"
    assert Job.objects.count() == 2


def test_a_server_of_videos_is_sent_the_image_as_a_file() -> None:
    with Scripted((200, {"id": "v1", "object": "video", "status": "queued"})) as server:
        plain = video_servers.order(server, "sglang", image=_PICTURE)
        order = replace(plain, site=replace(plain.site, image_input="input_reference"))
        OpenAIVideosBackend().submit(order)

    ((_, path, body),) = server.asked
    assert path == "/v1/videos"
    assert b'name="input_reference"; filename="image.png"\r\nContent-Type: image/png' in body
    assert RED in body


def test_a_server_that_can_change_videos_is_asked_to_change_its_own() -> None:
    source = Source(pool="gpus", backend_job_id="v0", prompt="a whale", seed=None)
    with Scripted((200, {"id": "v1", "object": "video", "status": "queued"})) as server:
        order = video_servers.order(server, "openai", source=source, prompt="at night")
        taken = OpenAIVideosBackend().submit(order)
        elsewhere = replace(order, source=replace(source, pool="other"))
        with pytest.raises(BackendError):
            OpenAIVideosBackend().submit(elsewhere)

    assert taken.backend_job_id == "v1"
    assert server.asked == [("POST", "/v1/videos/v0/remix", {"prompt": "at night"})]


def test_fal_is_sent_the_image_within_the_order() -> None:
    with Scripted((200, {"request_id": "r1"})) as server:
        order = order_for(
            server.url, driver="fal", image=_PICTURE, site={"image_input": "image_url"}
        )
        FalBackend().submit(order)

    ((_, _, body),) = server.asked
    assert body["image_url"] == f"data:image/png;base64,{base64.b64encode(RED).decode()}"


def test_replicate_is_sent_a_small_image_within_the_order_and_a_large_one_as_a_file() -> None:
    large = Picture(content=RED + b"\0" * 300_000, mime="image/png")
    with Scripted() as nowhere:
        site = {"image_input": "start_image"}
        wanted = order_for(nowhere.url, driver="replicate", image=_PICTURE, site=site)
    made = (201, {"id": "p1", "status": "starting"})
    with Scripted(made) as server:
        ReplicateBackend().submit(replace(wanted, site=replace(wanted.site, url=server.url)))
        small = server.asked[0][2]["input"]["start_image"]
    with Scripted() as server:
        url = f"{server.url}/v1/files/f1"
        server.add((201, {"urls": {"get": url}}), made)
        site_of = replace(wanted.site, url=server.url)
        ReplicateBackend().submit(replace(wanted, site=site_of, image=large))

    assert small.startswith("data:image/png;base64,")
    assert server.asked[0][1] == "/v1/files"
    assert large.content in server.asked[0][2]
    assert server.asked[1][2]["input"]["start_image"] == url
