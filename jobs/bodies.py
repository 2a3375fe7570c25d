"""What a body may be, for every face: small, flat in memory, and one reading only.

JSON has at most 64 kB, 20 levels, no key twice, no number that is none and no text that cannot be kept. A form has
the same texts, and one image, which is counted while it comes. What is refused is refused with the name of its field.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import QueryDict
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser, MultiPartParser
from rest_framework.request import Empty, Request

from jobs import images
from jobs.errors import FileTooLarge, LengthRequired
from jobs.requests import InvalidFields

LARGEST_JSON: Final = 64 * 1024
DEEPEST: Final = 20
# Boundaries, headers and texts beside the image.
_LARGEST_FORM: Final = images.LARGEST + 2 * LARGEST_JSON
_HALF: Final = re.compile("[\ud800-\udfff]")
# A name in an error is cut here.
_LONGEST_NAME: Final = 64


class StrictJSONParser(JSONParser):
    """Reads a JSON value that can be read in one way only."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Read and check. Raises RequestDataTooBig, ParseError, InvalidFields."""
        if _length(parser_context["request"]) > LARGEST_JSON:
            raise RequestDataTooBig
        return read_json(stream.read(LARGEST_JSON + 1))


class StrictFormParser(MultiPartParser):
    """Reads multipart/form-data with one image at most, held in memory to its bound and no further."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Read and check. Raises FileTooLarge, RequestDataTooBig, ParseError, InvalidFields."""
        request = parser_context["request"]
        if _length(request) > _LARGEST_FORM:
            raise FileTooLarge(field=images.FIELD, largest=images.LARGEST)
        request.upload_handlers = [_OneImage(request)]
        # Django knows the type in small letters only; it may come in any (RFC 9110, 8.3.1).
        kind, semicolon, parameters = (media_type or "").partition(";")
        return super().parse(stream, f"{kind.lower()}{semicolon}{parameters}", parser_context)


class _OneImage(FileUploadHandler):
    """Takes one file under the one name that takes files, and stops at its largest size."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._count = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Refuse a file before its first byte is kept. Raises InvalidFields."""
        super().new_file(*args, **kwargs)
        if self.field_name != images.FIELD:
            raise InvalidFields({_cut(self.field_name or ""): "This field takes no file."})
        self._count += 1
        if self._count > 1:
            raise InvalidFields({images.FIELD: "Send one image."})
        self.file = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a piece. Raises FileTooLarge."""
        if start + len(raw_data) > images.LARGEST:
            raise FileTooLarge(field=images.FIELD, largest=images.LARGEST)
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """Give the whole file."""
        self.file.seek(0)
        return InMemoryUploadedFile(
            self.file, self.field_name, self.file_name or "", "", file_size, None
        )


class ImageOfForm(FileUploadHandler):
    """Takes the image of a page's form, in memory; of one that is too large no more than shows that it is."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: Any,  # noqa: N803 - Django's name
        content_length: int,
        boundary: Any,
        encoding: Any = None,
    ) -> None:
        """Refuse a body that no form has, before it is read. Raises RequestDataTooBig."""
        if content_length > 2 * _LARGEST_FORM:
            raise RequestDataTooBig

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin with a file."""
        super().new_file(*args, **kwargs)
        self._kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a piece, up to the largest size and one byte; nothing of a field that takes no file."""
        if self.field_name == images.FIELD:
            self._kept.write(raw_data[: max(0, images.LARGEST + 1 - start)])

    def file_complete(self, file_size: int) -> InMemoryUploadedFile | None:
        """Give what was kept, with the size that it came with."""
        if self.field_name != images.FIELD:
            return None
        self._kept.seek(0)
        return InMemoryUploadedFile(
            self._kept, self.field_name, self.file_name or "", "", file_size, None
        )


def read_json(raw: bytes) -> Any:
    """Read a JSON value. Raises RequestDataTooBig, ParseError, InvalidFields."""
    if len(raw) > LARGEST_JSON:
        raise RequestDataTooBig
    try:
        found = _JSON.decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ParseError from error
    _check(found)
    return found


def fields(request: Request) -> Mapping[str, Any]:
    """Give the fields of a body, whatever its encoding. Raises what its parser raises, and InvalidFields."""
    if "HTTP_TRANSFER_ENCODING" in request.META and not _length(request):
        _gather(request)
    data = _json_of(request) if _is_plain_json(request) else request.data
    if isinstance(data, QueryDict):
        return _unfolded(data)
    if not isinstance(data, Mapping):
        raise InvalidFields({"body": "Send a JSON object."})
    return data


def _is_plain_json(request: Any) -> bool:
    """Tell whether nobody has read the body yet, and there is no parser to choose: so nearly every call comes."""
    is_unread = request._full_data is Empty  # noqa: SLF001 - DRF does not say it otherwise
    return is_unread and request.content_type == "application/json" and _length(request) > 0


def _json_of(request: Any) -> Any:
    """Read it, and leave it where DRF looks for it. Raises what StrictJSONParser raises."""
    found = read_json(request._request.body)  # noqa: SLF001 - as `Request.body` does
    request._data = request._full_data = found  # noqa: SLF001 - as DRF itself sets them
    return found


def _gather(request: Request) -> None:
    """Read a body that comes in pieces (RFC 9112, 7.1), to the largest that any may have, and note its length.

    Raises LengthRequired where the server does not say where such a body ends.
    """
    http = request._request  # noqa: SLF001 - DRF has no other way to what Django reads from
    if not http.META.get("wsgi.input_terminated"):
        raise LengthRequired
    body = http.META["wsgi.input"].read(_LARGEST_FORM + 1)
    http.META["CONTENT_LENGTH"] = str(len(body))
    http._stream = BytesIO(body)  # noqa: SLF001 - as WSGIRequest itself sets it


def _length(request: Any) -> int:
    text = request.META.get("CONTENT_LENGTH") or ""
    return int(text) if text.isascii() and text.isdigit() else 0


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidFields({_cut(name): "This field is there twice."})
        found[name] = value
    return found


def _check(found: object) -> None:
    """Refuse what is too deep, numbers that are none, and text that no database holds, by the outermost name."""
    for field, value, depth in _walk(found):
        if depth > DEEPEST:
            raise InvalidFields({field: f"More than {DEEPEST} levels are not read."})
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidFields({field: "NaN and infinite numbers are no JSON."})
        if isinstance(value, str) and not _is_text(value):
            raise InvalidFields({field: "This text has a NUL or half a character in it."})


def _is_text(value: str) -> bool:
    # Half of a surrogate pair is JSON, and cannot be encoded.
    return "\x00" not in value and (value.isascii() or not _HALF.search(value))


def _walk(found: object) -> Iterator[tuple[str, object, int]]:
    waiting: list[tuple[str, object, int]] = [("body", found, 1)]
    while waiting:
        field, value, depth = waiting.pop()
        yield field, value, depth
        if depth > DEEPEST:
            continue
        if isinstance(value, dict):
            waiting += [
                (_cut(name) if depth == 1 else field, inner, depth + 1)
                for name, inner in value.items()
            ]
        elif isinstance(value, list):
            waiting += [(field, inner, depth + 1) for inner in value]


def _unfolded(data: QueryDict) -> dict[str, Any]:
    """Read `name`, `name[]` and `name[key]` as OpenAI's SDKs write values, lists and objects."""
    found: dict[str, Any] = {}
    for whole, values in data.lists():
        name, bracket, rest = whole.partition("[")
        key = rest.removesuffix("]") if bracket else None
        for value in values:
            if isinstance(value, str) and "\ufffd" in value:
                raise InvalidFields({_cut(whole): "This text is not valid UTF-8."})
        if key == "":
            found.setdefault(name, []).extend(values)
            continue
        if len(values) > 1 or (name in found and not _is_open(found[name], key)):
            raise InvalidFields({_cut(name): "This field is there twice."})
        if key is None:
            found[name] = values[0]
        else:
            found.setdefault(name, {})[key] = values[0]
    return found


def _is_open(known: object, key: str | None) -> bool:
    return key is not None and isinstance(known, dict) and key not in known


def _cut(name: str) -> str:
    return name[:_LONGEST_NAME]


_JSON: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=lambda _: math.nan)
