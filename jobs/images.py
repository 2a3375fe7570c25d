"""Images that a video begins from: read whatever way they were sent, kept once per owner, forgotten in time.

What an image is, is told by its bytes alone: a part's declared type and a file's name are anybody's.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from jobs.errors import InvalidField
from jobs.models import InputImage

FIELD: Final = "input_reference"
# Bytes of an image at most.
LARGEST: Final = 10 * 2**20
_TOO_LARGE: Final = f"The image is larger than {LARGEST // 2**20} MB."
_KINDS: Final = "Send a JPEG, PNG or WebP image."

_KEEP: Final = """
insert into input_image as known (owner_id, digest, mime, content)
values (%s, %s, %s, %s) on conflict (owner_id, digest) do update set used_at = now()
"""
# What a job that lives may still need stays, and so does what ended a moment ago: it may be retried.
_FORGET: Final = """
delete from input_image where (owner_id, digest) in (
    select owner_id, digest from input_image old
    where used_at < now() - make_interval(secs => %(kept)s)
        and not exists (
            select 1 from job
            where job.owner_id = old.owner_id and job.image_digest = old.digest
                and (job.finished_at is null
                    or job.finished_at > now() - make_interval(secs => %(kept)s))
        )
    order by used_at limit %(limit)s for update skip locked
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image, or only its digest where the content is kept already."""

    digest: bytes
    mime: str = ""
    content: bytes = field(default=b"", repr=False)


@runtime_checkable
class _File(Protocol):
    size: int | None

    def read(self) -> bytes:
        """Give the whole content."""


def read(value: object) -> Image | None:
    """Read an image from an uploaded file, a data URI, or `{"image_url": data URI}`, also as JSON text.

    Raises InvalidField.
    """
    match value:
        case None | "":
            return None
        case Image():
            return value
        case str() if value.startswith("{"):
            return _of_object(_parsed(value))
        case str():
            return _of_uri(value)
        case Mapping():
            return _of_object(value)
        case _File():
            if (value.size or 0) > LARGEST:
                raise InvalidField(FIELD, _TOO_LARGE)
            return of_bytes(value.read())
        case _:
            raise InvalidField(FIELD, f"Send one file. {_KINDS}")


def of_bytes(content: bytes) -> Image:
    """Check an image's bytes. Raises InvalidField."""
    if not content:
        raise InvalidField(FIELD, f"The file is empty. {_KINDS}")
    if len(content) > LARGEST:
        raise InvalidField(FIELD, _TOO_LARGE)
    mime = _sniffed(content)
    if not mime:
        raise InvalidField(FIELD, f"The file is no image that can be used. {_KINDS}")
    return Image(digest=hashlib.sha256(content).digest(), mime=mime, content=content)


def keep(image: Image, *, owner_id: UUID) -> bool:
    """Store an image, or note that a stored one is used again; False when only its digest is known here."""
    if not image.content:
        mine = InputImage.objects.filter(owner_id=owner_id, digest=image.digest)
        return bool(mine.update(used_at=Now()))
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [owner_id, image.digest, image.mime, image.content])
    return True


def load(digest: bytes, *, owner_id: UUID) -> Image | None:
    """Give a stored image with its content; None when it was removed."""
    found = InputImage.objects.filter(owner_id=owner_id, digest=digest).first()
    if found is None:
        return None
    return Image(digest=digest, mime=found.mime, content=bytes(found.content))


def forget(*, limit: int) -> int:
    """Remove images that no job needs any more; say how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"kept": settings.INPUT_IMAGES_KEPT_SECONDS, "limit": limit})
        return int(cursor.rowcount)


def _parsed(text: str) -> Mapping[object, object]:
    """Read an object that a form has as the JSON text of one part."""
    try:
        found: Mapping[object, object] = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidField(FIELD, f"This is no JSON object. {_KINDS}") from None
    return found


def _of_object(value: Mapping[object, object]) -> Image:
    url = value.get("image_url")
    if set(value) == {"image_url"} and isinstance(url, str):
        return _of_uri(url)
    if "file_id" in value:
        raise InvalidField(FIELD, f"No files are kept here to be named by an id. {_KINDS}")
    raise InvalidField(FIELD, f"Send a file, or {{'image_url': 'data:...'}}. {_KINDS}")


def _of_uri(value: str) -> Image:
    head, comma, data = value.partition(",")
    if not head.startswith("data:"):
        # We fetch nothing that a caller names.
        raise InvalidField(FIELD, f"Addresses are not fetched. {_KINDS}")
    if not comma or not head.endswith(";base64"):
        raise InvalidField(FIELD, "A data URI must be base64: data:image/png;base64,...")
    try:
        return of_bytes(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise InvalidField(FIELD, "The data URI is not valid base64.") from None


def _sniffed(content: bytes) -> str:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return ""
