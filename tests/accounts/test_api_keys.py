"""API keys over their lives, for each who may show one."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from tests.factories import Person, ann, bob
from videogen.accounts import keys, last_used, suspensions
from videogen.accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db


def _call(method: str, path: str, key: str, body: Any = None) -> Any:
    return Client().generic(
        method,
        f"/api/v1/{path}",
        b"" if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )


def _make(owner: Person, **fields: Any) -> Any:
    return _call("POST", "keys", owner.api_key, {"name": "farm", **fields})


def _status(key: str, path: str = "jobs") -> int:
    return int(_call("GET", path, key).status_code)


def test_a_key_is_shown_once_and_kept_as_a_digest() -> None:
    owner = ann()

    made = _make(owner, scopes=["read"])

    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    secret = made.json()["key"]
    assert secret.startswith(made.json()["prefix"])
    assert _status(secret) == 200
    listed = _call("GET", "keys", owner.api_key)
    assert secret.encode() not in listed.content
    assert [one["name"] for one in listed.json()["keys"]] == ["farm", "test"]
    stored = ApiKey.objects.get(id=made.json()["id"])
    assert secret not in str(vars(stored))
    assert bytes(stored.digest) != secret.encode()


def test_a_typing_error_is_found_without_a_query(django_assert_num_queries: Any) -> None:
    secret = ann().api_key
    keys.forget()
    wrong = secret[:20] + ("0" if secret[20] != "0" else "1") + secret[21:]

    with django_assert_num_queries(0):
        assert keys.access_of(wrong) is None
    with django_assert_num_queries(1):
        assert keys.access_of(secret) == keys.access_of(secret)


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (["read"], "GET", "jobs", 200),
        (["read"], "POST", "quotes", 200),
        (["read"], "POST", "jobs", 403),
        (["write"], "GET", "jobs", 403),
        (["write"], "POST", "jobs", 202),
        (["read", "write"], "GET", "keys", 403),
        (["account"], "GET", "keys", 200),
        (["account"], "POST", "jobs", 403),
    ],
)
def test_scopes_open_what_they_say(scopes: list[str], method: str, path: str, status: int) -> None:
    secret = _make(ann(), scopes=scopes).json()["key"]

    body = {"prompt": "a whale"} if method == "POST" else None
    answer = _call(method, path, secret, body)

    assert answer.status_code == status, answer.json()
    if status == 403:
        assert answer.json()["code"] == "scope_missing"


def test_a_key_gives_no_more_than_it_has() -> None:
    secret = _make(ann(), scopes=["read", "account"]).json()["key"]

    refused = _call("POST", "keys", secret, {"name": "more", "scopes": ["write"]})
    inherited = _call("POST", "keys", secret, {"name": "same"})

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "scopes"
    assert inherited.json()["scopes"] == ["read", "account"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "scopes": ["root"]}, "scopes"),
        ({"name": "a", "scopes": "read"}, "scopes"),
        ({"name": "a", "scopes": [["read"]]}, "scopes"),
        ({"name": "a", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "a", "expires_at": "2999-13-01T00:00:00Z"}, "expires_at"),
        ({"name": "a", "expires_at": "2999-01-01T00:00:00"}, "expires_at"),
        ({"name": "a", "admin": True}, "admin"),
        ([], "body"),
    ],
)
def test_a_bad_request_names_the_field_and_makes_nothing(body: Any, field: str) -> None:
    owner = ann()

    answer = _call("POST", "keys", owner.api_key, body)

    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert ApiKey.objects.count() == 1


def test_two_of_a_kind_are_live_while_a_key_is_rotated() -> None:
    owner = ann()
    old = _make(owner).json()

    new = _call("POST", f"keys/{old['id']}/rotation", owner.api_key, {"overlap_hours": 1}).json()

    assert [_status(one["key"]) for one in (old, new)] == [200, 200]
    shown = _call("GET", f"keys/{old['id']}", owner.api_key).json()
    assert shown["replaced_by"] == new["id"]
    assert shown["expires_at"] < (timezone.now() + timedelta(hours=2)).isoformat()
    third = _call("POST", f"keys/{old['id']}/rotation", owner.api_key, {})
    assert (third.status_code, third.json()["code"]) == (409, "key_refused")
    ApiKey.objects.filter(id=old["id"]).update(expires_at=timezone.now())
    keys.forget()
    assert [_status(one["key"]) for one in (old, new)] == [401, 200]


def test_a_rotation_never_lengthens_the_old_key_and_keeps_its_lifetime() -> None:
    owner = ann()
    soon = timezone.now() + timedelta(minutes=5)
    old = _make(owner, expires_at=soon.isoformat()).json()

    new = _call("POST", f"keys/{old['id']}/rotation", owner.api_key, {}).json()

    assert ApiKey.objects.get(id=old["id"]).expires_at == soon
    ends = ApiKey.objects.get(id=new["id"]).expires_at
    assert ends is not None
    assert ends <= timezone.now() + timedelta(minutes=6)


def test_a_revoked_key_is_refused_and_revoking_again_changes_nothing() -> None:
    owner = ann()
    made = _make(owner).json()
    assert _status(made["key"]) == 200

    answers = [_call("DELETE", f"keys/{made['id']}", owner.api_key) for _ in range(2)]

    assert [one.status_code for one in answers] == [204, 204]
    refused = _call("GET", "jobs", made["key"])
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    ended = ApiKey.objects.get(id=made["id"]).revoked_at
    assert ended == ApiKey.objects.get(id=made["id"]).revoked_at


@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("POST", "/rotation")])
def test_the_key_of_somebody_else_is_no_key(method: str, tail: str) -> None:
    owner, stranger = ann(), bob()
    made = _make(owner).json()

    theirs = _call(method, f"keys/{made['id']}{tail}", stranger.api_key)
    missing = _call(method, f"keys/{uuid4()}{tail}", stranger.api_key)

    assert theirs.status_code == missing.status_code == 404
    assert theirs.content == missing.content
    assert ApiKey.objects.get(id=made["id"]).revoked_at is None


@pytest.mark.parametrize("case", ["anonymous", "revoked", "expired", "suspended", "closed"])
def test_who_has_no_live_key_is_kept_out(case: str) -> None:
    owner = ann()
    key = {"anonymous": ""}.get(case, owner.api_key)
    rows = ApiKey.objects.filter(user=owner.user)
    match case:
        case "revoked":
            rows.update(revoked_at=timezone.now())
        case "expired":
            rows.update(expires_at=timezone.now())
        case "suspended":
            suspensions.suspend(owner.user, reason="Spam", by=None)
        case "closed":
            User.objects.update(is_active=False)
    keys.forget()

    answer = _call("GET", "keys", key)

    assert answer.status_code == (403 if case == "suspended" else 401)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_there_is_an_end_to_how_many_keys_somebody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MOST_LIVE", 2)
    owner = ann()
    made = _make(owner).json()

    refused = _make(owner)
    rotated = _call("POST", f"keys/{made['id']}/rotation", owner.api_key, {})

    assert refused.status_code == rotated.status_code == 409
    assert "Revoke one first" in refused.json()["detail"]


def test_the_last_use_is_written_later_and_once_a_minute(django_assert_num_queries: Any) -> None:
    owner = ann()
    last_used.write()
    keys.forget()
    _status(owner.api_key)
    assert ApiKey.objects.get().last_used_at is None

    last_used.write()
    first = ApiKey.objects.get().last_used_at
    keys.forget()
    _status(owner.api_key)
    last_used.write()

    assert first is not None
    assert ApiKey.objects.get().last_used_at == first
    with django_assert_num_queries(0):
        last_used.write()


def test_last_uses_of_many_keys_are_written_a_few_at_once(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(last_used, "_AT_ONCE", 2)
    owner = ann()
    more = [_make(owner).json()["id"] for _ in range(4)]
    last_used.write()
    for key_id in more:
        last_used.mark_key(key_id)
    pauses: list[int] = []

    with django_assert_num_queries(2):
        last_used.write(pause=lambda: pauses.append(1))

    assert len(pauses) == 1
    assert ApiKey.objects.filter(id__in=more, last_used_at=None).count() == 0


def test_the_database_knows_the_scopes() -> None:
    owner = ann()
    for wrong in (["root"], []):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.filter(user=owner.user).update(scopes=wrong)
