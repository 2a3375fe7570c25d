"""An image in the composer: what begins from it, who sees it, and what is no image."""

from io import BytesIO
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from jobs import images
from jobs.models import InputImage, Job, Pool
from tests.factories import Person, ann, bob, change_preview_pool

pytestmark = pytest.mark.django_db(transaction=True)

_SETTINGS = {"model": "preview", "seconds": "4", "size": "854x480", "seed": ""}


def a_picture() -> bytes:
    made = BytesIO()
    Image.new("RGB", (64, 36), (200, 120, 40)).save(made, "PNG")
    return made.getvalue()


def _browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


def _compose(client: Client, token: str, **more: Any) -> Any:
    return client.post("/", {"prompt": "a whale", "token": token, **_SETTINGS, **more})


def _file(content: bytes, name: str = "a.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, content_type="image/png")


def test_a_video_begins_from_the_image_of_the_form_and_only_its_owner_sees_it() -> None:
    owner = ann()
    client = _browser(owner)
    picture = a_picture()

    answer = _compose(client, "t", input_reference=_file(picture), another=_file(b"more"))

    job = Job.objects.get()
    seen = client.get(f"/jobs/{job.id}/image")
    page = client.get(f"/jobs/{job.id}/").content.decode()
    assert answer.status_code == 303
    assert (seen.content, seen.headers["Content-Type"]) == (picture, "image/png")
    assert seen.headers["X-Content-Type-Options"] == "nosniff"
    assert f'src="/jobs/{job.id}/image"' in page
    assert _browser(bob()).get(f"/jobs/{job.id}/image").status_code == 404
    assert Client().get(f"/jobs/{job.id}/image").status_code == 302
    InputImage.objects.all().delete()
    assert client.get(f"/jobs/{job.id}/image").status_code == 404


def test_the_image_of_an_earlier_video_is_taken_over_with_its_prompt_and_by_every_take() -> None:
    owner = ann()
    client = _browser(owner)
    _compose(client, "t-1", input_reference=_file(a_picture()))
    first = Job.objects.get()

    form = client.get(f"/?from={first.id}").content.decode()
    _compose(client, "t-2", image_of=str(first.id), takes="2", prompt="a heron")
    stolen = _compose(_browser(bob()), "t-3", image_of=str(first.id))

    assert f'name="image_of" value="{first.id}"' in form
    later = Job.objects.filter(prompt="a heron")
    assert {bytes(job.image_digest or b"") for job in later} == {bytes(first.image_digest or b"")}
    assert later.count() == 2
    assert stolen.status_code == 400
    assert "The image of that video is not there. Choose one." in stolen.content.decode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no picture at all", "The file is no image that can be used."),
        (b"\x89PNG\r\n\x1a\n" + bytes(images.LARGEST), "The image is larger than 10 MB."),
    ],
    ids=["text", "too large"],
)
def test_what_is_no_image_is_refused_beside_the_field(content: bytes, said: str) -> None:
    client = _browser(ann())

    page = _compose(client, "t", input_reference=_file(content))
    told = client.post(
        "/",
        {"prompt": "a whale", **_SETTINGS, "input_reference": _file(content)},
        headers={"Accept": "application/json"},
    )

    assert page.status_code == 400
    assert said in page.content.decode()
    assert "a whale" in page.content.decode()
    assert said in told.json()["errors"]["input_reference"][0]
    assert not Job.objects.exists()


def test_where_no_model_begins_from_an_image_the_form_has_no_place_for_one() -> None:
    owner = ann()
    client = _browser(owner)
    assert "input_reference" in client.get("/").content.decode()

    change_preview_pool(image_input="")
    answer = _compose(client, "t", input_reference=_file(a_picture()))

    assert 'name="input_reference"' not in client.get("/").content.decode()
    assert answer.status_code == 400
    assert Pool.objects.get().image_input == ""
    assert not Job.objects.exists()


def test_a_body_that_no_form_has_is_refused_before_it_is_read() -> None:
    client = _browser(ann())

    answer = client.post(
        "/", b"", content_type="multipart/form-data; boundary=x", CONTENT_LENGTH=str(2**40)
    )

    assert answer.status_code == 400
