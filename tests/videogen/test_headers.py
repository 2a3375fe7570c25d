"""What a browser is told with every answer, over every address that there is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import get_resolver, path
from django.urls.resolvers import URLPattern, URLResolver

from tests.factories import ann
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db

_YEAR: Final = 31_536_000
# Filled into the holes of addresses; nothing has this id.
_HOLES: Final = {"uuid": str(UUID(int=1)), "int": "1", "slug": "x", "str": "x", "path": "x"}
# The admin's theme evaluates expressions and writes colours; the page of the contract has one style, by its digest.
_ADMIN: Final = {("script-src", "'unsafe-eval'"), ("style-src", "'unsafe-inline'")}
_UNSAFE: Final = {"/admin/": _ADMIN, "/api/docs/": {("style-src", "'unsafe-hashes'")}}


def _addresses(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        address = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern, address)
        elif isinstance(pattern, URLPattern) and "(" not in address:
            yield _filled(address)


def _filled(address: str) -> str:
    parts = address.split("<")
    holes = [part.split(">", 1) for part in parts[1:]]
    kinds = [hole[0].split(":")[0] if ":" in hole[0] else "str" for hole in holes]
    filled = [
        _HOLES.get(kind, _HOLES["uuid"]) + hole[1] for kind, hole in zip(kinds, holes, strict=True)
    ]
    return parts[0] + "".join(filled)


ADDRESSES: Final = sorted(set(_addresses(get_resolver())))


@pytest.fixture(autouse=True)
def _as_in_production(settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = _YEAR
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True


def _faults(address: str, answer: Any) -> list[str]:
    headers = answer.headers
    policy = {
        part.split(" ")[0]: part.split(" ")[1:]
        for part in headers.get("Content-Security-Policy", "").split("; ")
    }
    unsafe = {(to, word) for to, words in policy.items() for word in words if "unsafe" in word}
    may = next((pairs for start, pairs in _UNSAFE.items() if address.startswith(start)), set())
    found = {
        "policy": policy.get("default-src") == ["'none'"],
        "base": policy.get("base-uri") == ["'none'"],
        "frames": policy.get("frame-ancestors") == ["'none'"],
        "unsafe": unsafe <= may,
        "x-frame-options": headers.get("X-Frame-Options") == "DENY",
        "nosniff": headers.get("X-Content-Type-Options") == "nosniff",
        "referrer": headers.get("Referrer-Policy") == "same-origin",
        "opener": headers.get("Cross-Origin-Opener-Policy") == "same-origin",
        "hsts": headers.get("Strict-Transport-Security")
        == f"max-age={_YEAR}; includeSubDomains; preload",
        "cookies": all(_is_safe(cookie) for cookie in answer.cookies.values()),
        "server": "Server" not in headers and "X-Powered-By" not in headers,
    }
    return [f"{answer.status_code} {address}: {name}" for name, holds in found.items() if not holds]


def _is_safe(cookie: Any) -> bool:
    # One that is being taken away says no more.
    return cookie["max-age"] == 0 or bool(
        cookie["secure"] and cookie["httponly"] and cookie["samesite"]
    )


@pytest.mark.parametrize("who", ["nobody", "somebody", "an operator", "a program"])
def test_every_answer_of_every_address_closes_what_a_page_could_be_used_for(who: str) -> None:
    browser, owner = Client(raise_request_exception=False), ann()
    if who == "somebody":
        browser.force_login(owner.user)
    elif who == "an operator":
        browser.force_login(User.objects.create_superuser("op@example.com", "a long password"))
    headers = owner.headers if who == "a program" else {}

    faults = [
        fault
        for address in [*ADDRESSES, "/nowhere", "/api/v1/nowhere", "/admin/nowhere/"]
        if not address.startswith("/sign-out")
        for fault in _faults(address, browser.get(address, secure=True, headers=headers))
    ]

    assert len(ADDRESSES) > 100
    assert faults == []


def test_so_do_the_answers_to_what_broke_and_to_what_was_refused(settings: Any) -> None:
    def breaks(request: HttpRequest) -> HttpResponse:
        raise RuntimeError("broken")

    module = ModuleType("broken_urls")
    module.urlpatterns = [path("", breaks), path("api/v1/x", breaks), path("admin/x", breaks)]  # type: ignore[attr-defined]
    module.handler500 = "videogen.error_pages.broken"  # type: ignore[attr-defined]
    forged = Client(enforce_csrf_checks=True).post("/sign-in", {"username": "x"}, secure=True)
    foreign = Client().get("/", secure=True, headers={"Host": "evil.example"})
    settings.ROOT_URLCONF = module
    broken = [
        (address, Client(raise_request_exception=False).get(address, secure=True))
        for address in ("/", "/api/v1/x", "/admin/x")
    ]

    assert [answer.status_code for _, answer in broken] == [500, 500, 500]
    assert (forged.status_code, foreign.status_code) == (403, 400)
    for address, answer in [*broken, ("/sign-in", forged)]:
        assert _faults(address, answer) == []
        assert b"Traceback" not in answer.content
        assert b"RuntimeError" not in answer.content


_COOKIES: Final = """
import json, django
django.setup()
from django.test import Client
browser = Client(SERVER_NAME="videogen.example")
right = {"username": "ann@example.com", "password": "a long password"}
found = [browser.get("/sign-in", secure=True), browser.post("/sign-in", right, secure=True)]
found.append(browser.post("/account", {"time_zone": "UTC"}, secure=True))
found.append(browser.post("/sign-out", secure=True))
print("FOUND", json.dumps([one.output(header="") for answer in found for one in answer.cookies.values()]))
"""


@pytest.mark.django_db(transaction=True)
def test_in_production_every_cookie_is_of_this_host_alone_and_not_for_scripts() -> None:
    ann()
    hasher = PBKDF2PasswordHasher()
    User.objects.update(password=hasher.encode("a long password", hasher.salt()))
    database = urlsplit(os.environ["DATABASE_URL"])
    name = str(connection.settings_dict["NAME"])
    production = {
        "DATABASE_URL": database._replace(path=f"/{name}").geturl(),
        "ALLOWED_HOSTS": "videogen.example",
        "PUBLIC_URL": "https://videogen.example",
    }
    environment = {one: text for one, text in os.environ.items() if one != "DEVELOPMENT"}

    done = subprocess.run(
        [sys.executable, "-c", _COOKIES],
        env={**environment, **production},
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    cookies = [one.strip() for one in json.loads(done.stdout.split("FOUND ")[1])]
    assert {one.split("=")[0] for one in cookies} == {
        f"__Host-videogen_{kind}" for kind in ("csrf", "session", "messages")
    }
    for cookie in cookies:
        told = {part.split("=")[0].strip().lower() for part in cookie.split(";")[1:]}
        # What browsers ask of such names (RFC 6265bis, 4.1.3.2), and what keeps scripts and other sites away.
        assert "path=/" in cookie.lower().replace(" ", "").split(";")
        assert "domain" not in told
        # One that is taken away says no more.
        assert told >= {"secure", "httponly", "samesite"} or "Max-Age=0" in cookie
