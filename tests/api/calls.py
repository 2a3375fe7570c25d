"""Calling the native API in the process, as one of the cast."""

import json
from typing import Any

from django.test import Client

from tests.factories import Person

ROOT = "/api/v1/"


def get(owner: Person, path: str, **headers: str) -> Any:
    address = path if path.startswith("/") else ROOT + path
    return Client().get(address, headers={**owner.headers, **headers})


def send(owner: Person, path: str, body: object, *, method: str = "POST", **headers: str) -> Any:
    return Client().generic(
        method,
        ROOT + path,
        json.dumps(body),
        content_type="application/json",
        headers={**owner.headers, **headers},
    )


def ids(response: Any) -> list[str]:
    return [job["id"] for job in response.json()["jobs"]]
