"""Reads what a create carries: JSON, a multipart form (RFC 7578) or a plain form."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from videogen.fake_gpu.http import Request


class Encoding(StrEnum):
    """How the fields were sent."""

    JSON = "json"
    FORM = "form"
    NONE = "none"


class UnreadableBody(Exception):
    """The body is not what its content type says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of a form: only what the checks need of it."""

    filename: str
    content_type: str
    size: int


_DISPOSITION = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def read(request: Request) -> tuple[Encoding, dict[str, Any]]:
    """Give the encoding and the fields by name; a repeated name has a list. Raises UnreadableBody."""
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            data = json.loads(request.body or b"{}")
        except ValueError:
            raise UnreadableBody("The body is not valid JSON.") from None
        if not isinstance(data, dict):
            raise UnreadableBody("The body is not a JSON object.")
        return Encoding.JSON, data
    if kind == "multipart/form-data":
        return Encoding.FORM, _gather(_parts(request.body, content_type))
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)
        return Encoding.FORM, _gather(pairs)
    return Encoding.NONE, {}


def _parts(body: bytes, content_type: str) -> list[tuple[str, str | Upload]]:
    found = re.search(r'boundary="?([^";]+)"?', content_type)
    if not found:
        raise UnreadableBody("The form names no boundary.")
    parts: list[tuple[str, str | Upload]] = []
    pieces = (b"\r\n" + body).split(b"\r\n--" + found.group(1).encode())
    if not pieces[-1].startswith(b"--"):
        raise UnreadableBody("The form is cut off.")
    for piece in pieces[1:-1]:
        head, _, content = piece.lstrip(b"\r\n").partition(b"\r\n\r\n")
        lines = (line.partition(":") for line in head.decode(errors="replace").split("\r\n"))
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        names = dict(_DISPOSITION.findall(headers.get("content-disposition", "")))
        if "name" not in names:
            raise UnreadableBody("A part of the form has no name.")
        if "filename" in names:
            upload = Upload(
                filename=names["filename"],
                content_type=headers.get("content-type", "application/octet-stream"),
                size=len(content),
            )
            parts.append((names["name"], upload))
        else:
            parts.append((names["name"], content.decode(errors="replace")))
    return parts


def _gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields
