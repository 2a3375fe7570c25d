"""Forms as other clients write them: whatever RFC 7578 and RFC 2046 allow is the same request."""

import base64
import json

import pytest

from jobs import images
from jobs.models import Job
from tests import factories
from tests.factories import ann
from tests.openai.calls import VIDEOS, error, send
from tests.openai.pictures import png

pytestmark = pytest.mark.django_db

_IMAGE = png()
_DATA = f"data:image/png;base64,{base64.b64encode(_IMAGE).decode()}"
_PROMPT = b'Content-Disposition: form-data; name="prompt"\r\n\r\na whale'
_SECONDS = b'Content-Disposition: form-data; name="seconds"\r\n\r\n8'
_FILE = (
    b'Content-Disposition: form-data; name="input_reference"; filename="ref.png"\r\n'
    b"Content-Type: image/png\r\n\r\n" + _IMAGE
)
_USUAL = (_PROMPT, _SECONDS, _FILE)


def _form(*parts: bytes, boundary: bytes = b"b", padding: bytes = b"") -> bytes:
    lines = b"".join(b"--" + boundary + padding + b"\r\n" + part + b"\r\n" for part in parts)
    return lines + b"--" + boundary + b"--\r\n"


def _file(head: bytes) -> bytes:
    return head + b"\r\n\r\n" + _IMAGE


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (_form(*_USUAL), "multipart/form-data; boundary=b"),
        (_form(*_USUAL), 'multipart/form-data; boundary="b"'),
        (_form(*_USUAL), "Multipart/Form-Data; charset=utf-8; Boundary=b"),
        (_form(*_USUAL, boundary=b"a b:+,(c)?"), 'multipart/form-data; boundary="a b:+,(c)?"'),
        (_form(*_USUAL, boundary=b"=" * 69 + b"_"), f'multipart/form-data; boundary="{"=" * 69}_"'),
        (b"\n" + _form(*_USUAL), "multipart/form-data; boundary=b"),
        (b"A preamble.\r\n" + _form(*_USUAL), "multipart/form-data; boundary=b"),
        (_form(*_USUAL) + b"An epilogue.", "multipart/form-data; boundary=b"),
        (_form(*_USUAL)[:-2], "multipart/form-data; boundary=b"),
        (_form(*_USUAL, padding=b" \t"), "multipart/form-data; boundary=b"),
        (_form(*reversed(_USUAL)), "multipart/form-data; boundary=b"),
        (_form(_PROMPT.lower(), *_USUAL[1:]), "multipart/form-data; boundary=b"),
        (_form(_PROMPT.replace(b'"prompt"', b"prompt"), *_USUAL[1:]), "multipart/form-data; boundary=b"),
        (
            _form(
                _PROMPT.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"),
                *_USUAL[1:],
            ),
            "multipart/form-data; boundary=b",
        ),
        *(
            (_form(_PROMPT, _SECONDS, _file(head)), "multipart/form-data; boundary=b")
            for head in (
                b"Content-Disposition: form-data; name=\"input_reference\"; filename*=UTF-8''r%C3%A9f.png",
                b'Content-Disposition: form-data; filename="r\xc3\xa9f.png"; name="input_reference"',
                b'Content-Disposition: form-data; name="input_reference"; filename="a;b=\\"c\\".png"',
                b'Content-Type: text/plain\r\nContent-Disposition: form-data;name="input_reference";filename="x"',
            )
        ),
        *(
            (
                _form(
                    _PROMPT, _SECONDS,
                    b'Content-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + text.encode(),
                ),
                "multipart/form-data; boundary=b",
            )
            for name, more, text in (
                (b"input_reference[image_url]", b"", _DATA),
                (b"input_reference", b"", _DATA),
                (b"input_reference", b"\r\nContent-Type: application/json", json.dumps({"image_url": _DATA})),
            )
        ),
    ],
)  # fmt: skip
def test_a_form_is_read_however_it_is_written(body: bytes, kind: str) -> None:
    owner = ann()
    factories.change_preview_pool(image_input=True)

    answer = send(owner, "POST", VIDEOS, data=body, content_type=kind)

    assert answer.status_code == 200, answer.content
    job = Job.objects.get()
    assert (job.prompt, job.seconds) == ("a whale", 8)
    assert bytes(job.image_digest or b"") == images.of_bytes(_IMAGE).digest


@pytest.mark.parametrize("text", ["{", '{"image_url": 1}', '{"image_url": "https://x.example/"}'])
def test_json_in_a_form_that_is_no_image_is_refused_by_name(text: str) -> None:
    part = f'Content-Disposition: form-data; name="input_reference"\r\n\r\n{text}'.encode()

    answer = send(
        ann(),
        "POST",
        VIDEOS,
        data=_form(_PROMPT, part),
        content_type="multipart/form-data; boundary=b",
    )

    assert (answer.status_code, error(answer)["param"]) == (400, "input_reference")
    assert not Job.objects.exists()
