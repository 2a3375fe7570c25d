"""Requests to the OpenAI face without a client library in between."""

import json
from typing import Any

from django.test import Client

from tests.factories import Person
from tests.openai import pictures

VIDEOS = "/v1/videos"


def send(owner: Person | None, method: str, path: str, **options: Any) -> Any:
    """Send one request with somebody's key, or with none."""
    headers = {**(owner.headers if owner else {}), **options.pop("headers", {})}
    return Client(raise_request_exception=False).generic(method, path, headers=headers, **options)


def get(owner: Person, path: str, **headers: str) -> Any:
    return send(owner, "GET", path, headers=headers)


def post_json(owner: Person, body: object, path: str = VIDEOS, **headers: str) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return send(owner, "POST", path, data=text, content_type="application/json", headers=headers)


def post_form(
    owner: Person,
    *parts: tuple[str, str | bytes],
    path: str = VIDEOS,
    boundary: str = "a-boundary",
    **headers: str,
) -> Any:
    body, kind = pictures.form(*parts, boundary=boundary)
    return send(owner, "POST", path, data=body, content_type=kind, headers=headers)


def error(response: Any) -> dict[str, Any]:
    """Give the error of an answer, which must have OpenAI's shape and nothing else."""
    body = response.json()
    assert set(body) == {"error"}, body
    found: dict[str, Any] = body["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert isinstance(found["message"], str)
    assert isinstance(found["type"], str)
    assert response.headers["X-Request-Id"].startswith("req_")
    assert response.headers["Content-Type"] == "application/json"
    return found
