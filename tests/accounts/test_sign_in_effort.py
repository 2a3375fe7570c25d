"""Whether an address has an account cannot be told from what a try to sign in costs."""

from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from tests.factories import ann

pytestmark = pytest.mark.django_db


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each time that a password is hashed, which is nearly all of the time that a try takes."""
    found: list[str] = []
    encode = MD5PasswordHasher.encode

    def noted(hasher: Any, password: str, salt: str) -> str:
        found.append(password)
        return str(encode(hasher, password, salt))

    monkeypatch.setattr(MD5PasswordHasher, "encode", noted)
    return found


def _page(email: str) -> Any:
    return Client().post("/sign-in", {"username": email, "password": "a wrong password"})


def _app(email: str) -> Any:
    return Client().post(
        "/api/v1/auth/app/v1/auth/login",
        {"email": email, "password": "a wrong password"},
        content_type="application/json",
    )


@pytest.mark.parametrize("way", [_page, _app])
def test_a_try_with_an_unknown_address_hashes_as_much_as_one_with_a_known_one(
    way: Any, hashed: list[str]
) -> None:
    ann()
    hashed.clear()

    known = way("ann@example.com")
    of_known, hashed[:] = list(hashed), []
    unknown = way("nobody@example.com")

    assert of_known == hashed == ["a wrong password"]
    assert (known.status_code, known.headers["Content-Type"]) == (
        unknown.status_code,
        unknown.headers["Content-Type"],
    )
