"""The bodies of sign-in: what allauth documents is taken, everything else is refused by its name."""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
import yaml
from django.core import mail

from tests.accounts.app import PASSWORD, Phone
from tests.factories import ann
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db
UNKNOWN = "This field is not known. Remove it."
# Ways to sign in that are not offered here.
ABSENT = {"phone", "username"}


def _signed_in() -> Phone:
    phone = Phone()
    phone.sign_up("dora@example.com")
    phone.verify()
    phone.call("POST", "auth/reauthenticate", {"password": PASSWORD})
    return phone


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("auth/signup", {"email": "eve@example.com", "password": PASSWORD}),
        ("auth/login", {"email": "ann@example.com", "password": "a long password"}),
        ("auth/password/request", {"email": "ann@example.com"}),
    ],
)
def test_a_stranger_who_sends_what_is_not_known_changes_nothing(
    path: str, body: dict[str, Any]
) -> None:
    ann()
    phone = Phone()

    answer = phone.call("POST", path, {**body, "is_staff": True, "x" * 100: 1})

    assert answer.status_code == 400
    assert {one["field"]: one["message"] for one in answer.json()["errors"]} == {
        "is_staff": UNKNOWN,
        "x" * 64: UNKNOWN,
    }
    assert phone.token == ""
    assert mail.outbox == []
    assert User.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "auth/reauthenticate", {"password": PASSWORD}),
        ("POST", "account/password/change", {"current_password": PASSWORD, "new_password": "x"}),
        ("POST", "account/email", {"email": "new@example.com"}),
        ("PATCH", "account/email", {"email": "dora@example.com", "primary": True}),
        ("DELETE", "auth/sessions", {"sessions": []}),
        ("DELETE", "auth/session", {}),
        ("POST", "account/authenticators/totp", {"code": "000000"}),
        ("DELETE", "account/authenticators/totp", {}),
        ("POST", "account/authenticators/recovery-codes", {}),
    ],
)
def test_whoever_is_signed_in_is_told_which_field_is_not_known(
    method: str, path: str, body: dict[str, Any]
) -> None:
    phone = _signed_in()

    answer = phone.call(method, path, {**body, "colour": "blue"})

    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["errors"]] == ["colour"]
    assert phone.call("GET", "auth/session").status_code == 200


def test_nothing_but_a_code_is_sent_again_without_fields() -> None:
    phone = Phone()
    phone.sign_up("dora@example.com")

    refused = phone.call("POST", "auth/email/verify/resend", {"email": "other@example.com"})

    assert [one["field"] for one in refused.json()["errors"]] == ["email"]
    assert len(mail.outbox) == 1


def test_tries_with_unknown_fields_do_not_use_up_a_code() -> None:
    phone = Phone()
    phone.sign_up("dora@example.com")

    for _ in range(5):
        answer = phone.call("POST", "auth/email/verify", {"key": "WRONG1", "colour": "blue"})
        assert answer.status_code == 400

    assert phone.verify().status_code == 200


def test_an_address_is_made_the_first_by_true_alone() -> None:
    phone = _signed_in()
    body = {"email": "dora@example.com", "primary": False}

    refused = phone.call("PATCH", "account/email", body)
    done = phone.call("PATCH", "account/email", body | {"primary": True})

    assert [one["field"] for one in refused.json()["errors"]] == ["primary"]
    assert done.status_code == 200


SPEC: dict[str, Any] = yaml.safe_load(
    files("allauth.headless.spec").joinpath("doc", "openapi.yaml").read_text()
)


def _whole(part: dict[str, Any]) -> dict[str, Any]:
    while reference := part.get("$ref"):
        part = SPEC
        for name in reference.split("/")[1:]:
            part = part[name]
    return part


def _names(schema: dict[str, Any]) -> set[str]:
    found = set(_whole(schema).get("properties", {}))
    for kind in ("allOf", "anyOf", "oneOf"):
        found |= {name for one in _whole(schema).get(kind, ()) for name in _names(one)}
    return found


def _documented() -> Iterator[tuple[str, str, list[str]]]:
    """Give verb, path and fields of every body in allauth's own description."""
    for path, operations in SPEC["paths"].items():
        for method, operation in operations.items():
            body = _whole(operation.get("requestBody", {})) if method != "parameters" else {}
            if schema := body.get("content", {}).get("application/json", {}).get("schema"):
                yield method.upper(), path.partition("/v1/")[2], sorted(_names(schema) - ABSENT)


DOCUMENTED = [one for one in _documented() if "phone" not in one[1] and "webauthn" not in one[1]]


@pytest.mark.parametrize(
    ("method", "path", "fields"), DOCUMENTED, ids=lambda one: one if isinstance(one, str) else ""
)
def test_what_allauth_documents_is_known(method: str, path: str, fields: list[str]) -> None:
    phone = Phone() if path.startswith(("auth/login", "auth/signup")) else _signed_in()

    answer = phone.call(method, path, dict.fromkeys(fields, "junk"))

    said = answer.json().get("errors", []) if answer.content else []
    assert [one["field"] for one in said if one["message"] == UNKNOWN] == []
