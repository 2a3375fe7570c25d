"""Bodies that nobody should send, to both faces: refused by name, with nothing written and little held."""

import json
import tracemalloc
from typing import Any

import pytest

from jobs import images
from jobs.models import IdempotencyKey, InputImage, Job
from notifications.models import OutboxEvent
from tests.factories import ann
from tests.openai import pictures
from tests.openai.calls import VIDEOS, post_form, post_json, send

pytestmark = pytest.mark.django_db

_FACES = pytest.mark.parametrize("path", [VIDEOS, "/api/v1/jobs"])
_DEEP = '{"prompt": "x", "seed": ' + "[" * 21 + "]" * 21 + "}"
_DEEPEST = '{"prompt": "x", "seed": ' + "[" * 30_000 + "]" * 30_000 + "}"


def _named(response: Any) -> set[str]:
    """Give the fields that an error names, in either face's shape."""
    body = response.json()
    if "error" in body:
        return {body["error"]["param"]}
    return {fault["field"] for fault in body.get("errors", [])}


def _expect_nothing_written() -> None:
    assert not Job.objects.exists()
    assert not OutboxEvent.objects.exists()
    assert not IdempotencyKey.objects.exists()
    assert not InputImage.objects.exists()


@_FACES
@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ('{"prompt": "x", "prompt": "y"}', 400, "prompt"),
        ('{"prompt": "x", "seed": NaN}', 400, "seed"),
        ('{"prompt": "x", "seed": -Infinity}', 400, "seed"),
        ('{"prompt": "x", "seed": 1e999}', 400, "seed"),
        (_DEEP, 400, "seed"),
        (_DEEPEST, 400, "body"),
        ('{"prompt": "x", "num_frames": 81}', 400, "num_frames"),
        ('{"prompt": "x", "remixed_from": "video_1"}', 400, "remixed_from"),
        ('{"prompt": "x", "input_reference": {"image_url": "http://10.0.0.1/"}}', 400, "input_reference"),
        ('{"prompt": "x", "input_reference": {"file_id": "file_1"}}', 400, "input_reference"),
        ('{"prompt": "x", "input_reference": {"image_url": "data:image/png;base64,!"}}', 400, "input_reference"),
        ('{"prompt": "x", "input_reference": ["a", "b"]}', 400, "input_reference"),
        ('{"prompt": "x", "input_reference": 7}', 400, "input_reference"),
        ('{"prompt": {"a": 1}}', 400, "prompt"),
        ("", 400, "prompt"),
        ("nonsense", 400, "body"),
        ("[1]", 400, "body"),
        ('"x"', 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (json.dumps({"prompt": "x" * 70_000}), 413, "body"),
    ],
)  # fmt: skip
def test_a_wrong_json_body_is_refused_by_name(
    path: str, body: str | bytes, status: int, field: str
) -> None:
    response = post_json(ann(), body, path, **{"Idempotency-Key": "one"})

    assert response.status_code == status
    assert field in _named(response)
    _expect_nothing_written()


@_FACES
@pytest.mark.parametrize(
    ("parts", "status", "field"),
    [
        ([("prompt", "x"), ("prompt", "y")], 400, "prompt"),
        ([("prompt", "x"), ("loras[]", "a"), ("loras[]", "b")], 400, "loras"),
        ([("prompt", "x"), ("extra[fps]", "16")], 400, "extra"),
        ([("prompt", "x"), ("seed", "1"), ("seed[a]", "1")], 400, "seed"),
        ([("prompt", b"x")], 400, "prompt"),
        ([("prompt", "x"), ("video", b"x")], 400, "video"),
        ([("prompt", "x"), ("input_reference", b"GIF89a..")], 400, "input_reference"),
        ([("prompt", "x"), ("input_reference", b"%PDF-1.4")], 400, "input_reference"),
        ([("prompt", "x"), ("input_reference", b"")], 400, "input_reference"),
        ([("prompt", "x"), *[("input_reference", pictures.png())] * 2], 400, "input_reference"),
        ([("prompt", "x"), ("input_reference[image_url]", "https://example.com/a.png")], 400, "input_reference"),
        ([("prompt", "x" * 70_000)], 413, "body"),
        ([("prompt", "x"), ("input_reference", b"0" * (images.LARGEST + 1))], 413, "input_reference"),
    ],
)  # fmt: skip
def test_a_wrong_form_is_refused_by_name(path: str, parts: Any, status: int, field: str) -> None:
    response = post_form(ann(), *parts, path=path, **{"Idempotency-Key": "one"})

    assert response.status_code == status
    assert field in _named(response)
    _expect_nothing_written()


@_FACES
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "image/png"])
def test_another_kind_of_body_is_a_415(path: str, kind: str) -> None:
    response = send(ann(), "POST", path, data=b"x", content_type=kind)

    assert response.status_code == 415


@_FACES
def test_a_form_without_a_boundary_cannot_be_read(path: str) -> None:
    response = send(ann(), "POST", path, data=b"x", content_type="multipart/form-data")

    assert response.status_code == 400


class _Endless:
    """A body that is made while it is read, and says how far it was."""

    def __init__(self, head: bytes) -> None:
        self.count, self._head = 0, head

    def read(self, size: int = -1) -> bytes:
        piece, self._head = self._head[:size], self._head[size:]
        piece += b"0" * (size - len(piece))
        self.count += len(piece)
        return piece

    readline = read


@pytest.mark.parametrize("length", [9_000_000, 40_000_000_000])
@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"prompt": "', "application/json"),
        (*pictures.opened("input_reference"),),
        (*pictures.opened("other"),),
        (b"", "text/plain"),
    ],
    ids=["json", "image", "other file", "text"],
)
@_FACES
def test_memory_stays_flat_however_large_a_refused_body_is(
    path: str, head: bytes, kind: str, length: int
) -> None:
    owner, body = ann(), _Endless(head)
    send(owner, "POST", path, data=b"{}", content_type="application/json")
    tracemalloc.start()
    try:
        told = {"wsgi.input": body, "CONTENT_LENGTH": str(length), "CONTENT_TYPE": kind}
        response = send(owner, "POST", path, **told)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.status_code in {400, 413, 415}
    # An image that has no end is held to its bound, twice while it grows; everything else is hardly read.
    is_image = b"input_reference" in head and length < images.LARGEST
    assert peak < (3 * images.LARGEST if is_image else 2 * 2**20)
    assert body.count <= (length if is_image else 200_000)
