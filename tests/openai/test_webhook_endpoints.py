"""Webhook endpoints as the official SDKs manage them: paths, verbs, bodies and answers of their own types."""

from typing import Any

import pytest
from standardwebhooks import Webhook

from notifications.models import WebhookEndpoint
from proofs.sinks.running import Sink
from tests.factories import Person, ann, cy
from tests.openai.calls import error, get, post_json, send
from videogen.accounts import keys

pytestmark = pytest.mark.django_db(transaction=True)
_PATH = "/v1/webhook_endpoints"
_TYPES = {
    "id": str,
    "object": str,
    "created_at": int,
    "updated_at": int,
    "event_types": list,
    "name": str,
    "url": str,
    "signing_secret_hint": str,
}


def _made(owner: Person, receiver: Sink, path: str = "/ok") -> dict[str, Any]:
    body = {
        "name": "production",
        "url": f"http://127.0.0.1:{receiver.port}{path}",
        "event_types": ["video.failed", "video.completed"],
    }
    answer = post_json(owner, body, _PATH)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_the_secret_is_told_once_and_everything_has_its_documented_type(receiver: Sink) -> None:
    owner = ann()
    made = _made(owner, receiver)
    secret = made.pop("signing_secret")
    shown = get(owner, f"{_PATH}/{made['id']}")

    assert {name: type(made[name]) for name in _TYPES} == _TYPES
    assert (made["object"], made["name"]) == ("webhook_endpoint", "production")
    assert made["event_types"] == ["video.completed", "video.failed"]
    assert secret.startswith("whsec_")
    assert secret.endswith(made["signing_secret_hint"])
    assert shown.json() == made
    assert secret not in get(owner, _PATH).content.decode()


def test_both_faces_name_the_same_endpoint(receiver: Sink) -> None:
    owner = ann()
    made = _made(owner, receiver)
    native = get(owner, "/api/v1/webhook_endpoints").json()["webhook_endpoints"]

    assert [f"whe_{one['id'].replace('-', '')}" for one in native] == [made["id"]]
    assert get(owner, f"{_PATH}/{native[0]['id']}").json()["id"] == made["id"]


def test_a_list_is_newest_first_and_its_pages_end(receiver: Sink) -> None:
    owner = ann()
    ids = [_made(owner, receiver)["id"] for _ in range(3)]
    _made(cy(), receiver)

    first = get(owner, f"{_PATH}?limit=2").json()
    second = get(owner, f"{_PATH}?limit=2&after={first['data'][-1]['id']}").json()
    upwards = get(owner, f"{_PATH}?order=asc&after={ids[0]}").json()

    assert [one["id"] for one in first["data"] + second["data"]] == ids[::-1]
    assert (first["object"], first["has_more"], second["has_more"]) == ("list", True, False)
    assert (first["first_id"], first["last_id"]) == (ids[2], ids[1])
    assert [one["id"] for one in upwards["data"]] == ids[1:]
    assert error(get(owner, f"{_PATH}?after=nothing"))["param"] == "after"


def test_an_update_changes_what_it_names_and_one_that_changes_nothing_is_no_change(
    receiver: Sink,
) -> None:
    owner = ann()
    path = f"{_PATH}/{_made(owner, receiver)['id']}"
    WebhookEndpoint.objects.update(updated_at="2020-01-01T00:00:00Z")

    same = post_json(owner, {"name": "production"}, path).json()
    changed = post_json(owner, {"name": "test", "event_types": ["video.failed"]}, path).json()
    off = post_json(owner, {"is_enabled": False}, path).json()

    assert same["updated_at"] == 1_577_836_800
    assert changed["updated_at"] > same["updated_at"]
    assert (changed["name"], changed["event_types"]) == ("test", ["video.failed"])
    assert (off["is_enabled"], off["disabled_reason"]) == (False, "Disabled by you.")


def test_a_deleted_endpoint_is_gone(receiver: Sink) -> None:
    owner = ann()
    made = _made(owner, receiver)
    path = f"{_PATH}/{made['id']}"

    answer = send(owner, "DELETE", path, content_type="application/json")

    assert answer.json() == {
        "id": made["id"],
        "object": "webhook_endpoint.deleted",
        "deleted": True,
    }
    assert get(owner, path).status_code == 404
    assert send(owner, "DELETE", path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"keep_old_secret_active_for_24_hours": False}, ""])
def test_a_rotation_ends_the_old_secret_at_once(receiver: Sink, body: Any) -> None:
    owner = ann()
    made = _made(owner, receiver)

    rotated = post_json(owner, body, f"{_PATH}/{made['id']}/rotate_secret").json()

    assert rotated["signing_secret"] != made["signing_secret"]
    assert rotated["old_secret_until"] is None


def test_during_an_overlap_both_secrets_sign_and_a_test_says_what_was_answered(
    receiver: Sink,
) -> None:
    owner = ann()
    made = _made(owner, receiver)
    path = f"{_PATH}/{made['id']}"
    keep = {"keep_old_secret_active_for_24_hours": True}
    rotated = post_json(owner, keep, f"{path}/rotate_secret").json()

    tested = post_json(owner, {"event_type": "video.completed"}, f"{path}/test")

    assert tested.json() == {
        "object": "webhook_endpoint.test",
        "event_type": "video.completed",
        "status_code": 204,
        "success": True,
        "webhook_endpoint_id": made["id"],
    }
    (got,) = receiver.arrived()
    for secret in (made["signing_secret"], rotated["signing_secret"]):
        Webhook(secret).verify(got["body"], got["headers"])
    assert rotated["old_secret_until"] - rotated["updated_at"] == 86_400


def test_a_test_that_nobody_answers_is_an_error_that_says_why(receiver: Sink) -> None:
    owner = ann()
    path = f"{_PATH}/{_made(owner, receiver)['id']}"
    WebhookEndpoint.objects.update(url="http://127.0.0.1:9/")

    refused = post_json(owner, {"event_type": "video.completed"}, f"{path}/test")
    hasty = post_json(owner, {"event_type": "video.completed"}, f"{path}/test")

    assert (refused.status_code, error(refused)["code"]) == (400, "endpoint_unreachable")
    assert (hasty.status_code, hasty.headers["X-Should-Retry"]) == (429, "true")


def test_event_types_are_those_of_videos() -> None:
    assert get(ann(), "/v1/webhook_event_types").json() == {
        "object": "list",
        "data": ["video.completed", "video.failed"],
    }


@pytest.mark.parametrize(
    ("action", "body", "param"),
    [
        ("", {"url": "https://10.0.0.1/", "event_types": ["video.failed"], "name": "x"}, "url"),
        ("", {"event_types": ["video.failed"], "name": "x"}, "url"),
        ("", {"url": "http://127.0.0.1:9/", "event_types": ["batch.failed"]}, "event_types"),
        ("", {"url": "http://127.0.0.1:9/", "event_types": ["video.failed"], "secret": 1}, "secret"),
        ("/{id}", {"name": "\n"}, "name"),
        ("/{id}", {"colour": "red"}, "colour"),
        ("/{id}/rotate_secret", {"keep_old_secret_active_for_24_hours": "yes"}, "keep_old_secret_active_for_24_hours"),
        ("/{id}/rotate_secret", {"overlap": 1}, "overlap"),
        ("/{id}/test", {"event_type": "batch.failed"}, "event_type"),
        ("/{id}/test", {}, "event_type"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(receiver: Sink, action: str, body: Any, param: str) -> None:
    owner = ann()
    path = f"{_PATH}{action.format(id=_made(owner, receiver)['id'])}"

    answer = post_json(owner, body, path)

    assert (answer.status_code, error(answer)["param"]) == (400, param)


def test_a_key_for_videos_manages_no_endpoints(receiver: Sink) -> None:
    owner = ann()
    path = f"{_PATH}/{_made(owner, receiver)['id']}"
    _, key = keys.issue(owner.user, name="videos", scopes=("read", "write"))
    lesser = Person(user=owner.user, api_key=key)

    for refused in (post_json(lesser, {}, path), send(lesser, "DELETE", path)):
        assert (refused.status_code, error(refused)["type"]) == (403, "permission_error")
    assert get(lesser, path).status_code == 200


def test_an_eleventh_endpoint_is_a_conflict_that_no_retry_changes(receiver: Sink) -> None:
    owner = ann()
    for _ in range(10):
        _made(owner, receiver)

    answer = post_json(
        owner, {"url": f"http://127.0.0.1:{receiver.port}/", "event_types": ["video.failed"]}, _PATH
    )

    assert (answer.status_code, error(answer)["code"]) == (409, "too_many_endpoints")
    assert answer.headers["X-Should-Retry"] == "false"
