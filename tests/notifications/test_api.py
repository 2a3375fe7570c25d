"""Webhook endpoints over HTTP: made, shown, changed, and errors that name the field."""

import json
from contextlib import ExitStack
from typing import Any

import pytest
from django.test import Client

from notifications import webhook_endpoints
from proofs.sinks.running import Sink
from tests.factories import Person, ann, bob

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/v1/webhook_endpoints"


def _call(owner: Person, method: str, path: str, body: object = None) -> Any:
    return Client().generic(
        method, path, json.dumps(body or {}), content_type="application/json", headers=owner.headers
    )


def _made(owner: Person, receiver: Sink, path: str = "/ok") -> dict[str, Any]:
    body = {"url": f"http://127.0.0.1:{receiver.port}{path}", "event_types": ["video.completed"]}
    found: dict[str, Any] = _call(owner, "POST", PATH, body).json()
    return found


def test_a_secret_is_shown_once(receiver: Sink) -> None:
    owner = ann()
    made = _made(owner, receiver)
    shown = _call(owner, "GET", f"{PATH}/{made['id']}").json()

    assert made["signing_secret"].startswith("whsec_")
    assert made["signing_secret"].endswith(shown["signing_secret_hint"])
    assert "signing_secret" not in shown
    assert made["signing_secret"] not in _call(owner, "GET", PATH).content.decode()


def test_a_rotation_shows_the_new_secret_and_until_when_the_old_one_signs(receiver: Sink) -> None:
    owner = ann()
    made = _made(owner, receiver)

    rotated = _call(owner, "POST", f"{PATH}/{made['id']}/rotation").json()

    assert rotated["signing_secret"] != made["signing_secret"]
    assert rotated["old_secret_until"] is not None


def test_an_endpoint_is_changed_tested_listed_and_deleted(receiver: Sink) -> None:
    owner = ann()
    path = f"{PATH}/{_made(owner, receiver)['id']}"

    changed = _call(owner, "PATCH", path, {"name": "prod", "event_types": ["video.failed"]})
    tested = _call(owner, "POST", f"{path}/test", {"event_type": "video.failed"})
    listed = _call(owner, "GET", f"{path}/deliveries").json()
    one = _call(owner, "GET", f"{path}/deliveries/{listed['deliveries'][0]['id']}").json()
    deleted = _call(owner, "DELETE", path)

    assert (changed.status_code, changed.json()["name"]) == (200, "prod")
    assert tested.json()["tries"][0]["answer"]["status"] == 204
    assert one["is_test"] is True
    assert deleted.status_code == 204
    assert _call(owner, "GET", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"url": "http://169.254.169.254/", "event_types": ["video.failed"]}, "url"),
        ({"url": "https://10.0.0.1/", "event_types": ["video.failed"]}, "url"),
        ({"event_types": ["video.failed"]}, "url"),
        ({"url": "http://127.0.0.1:9/", "event_types": ["nonsense"]}, "event_types"),
        ({"url": "http://127.0.0.1:9/", "event_types": ["video.failed"], "secret": "x"}, "secret"),
    ],
)
def test_a_refusal_names_the_field(receiver: Sink, body: dict[str, Any], field: str) -> None:
    answer = _call(ann(), "POST", PATH, body)

    assert answer.status_code == 400
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


def test_others_and_strangers_see_nothing(receiver: Sink) -> None:
    owner, stranger = ann(), bob()
    path = f"{PATH}/{_made(owner, receiver)['id']}"
    for method, where in [
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/rotation"),
        ("GET", f"{path}/deliveries"),
    ]:
        assert _call(stranger, method, where).status_code == 404
        assert Client().generic(method, where).status_code == 401
    assert (
        _call(stranger, "POST", f"{path}/test", {"event_type": "video.failed"}).status_code == 404
    )
    assert _call(stranger, "GET", PATH).json() == {"webhook_endpoints": []}


def test_there_is_a_bound_on_endpoints(receiver: Sink) -> None:
    owner = ann()
    for _ in range(10):
        _made(owner, receiver)

    assert _made(owner, receiver)["code"] == "too_many_endpoints"


def test_slow_strangers_hold_few_of_our_threads(receiver: Sink) -> None:
    owner = ann()
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(webhook_endpoints.place_to_wait())
        refused = _call(
            owner, "POST", PATH, {"url": "https://x.example/", "event_types": ["video.failed"]}
        )

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert "signing_secret" in _made(owner, receiver)
