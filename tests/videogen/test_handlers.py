"""A call with a key goes a shorter way than a page, and is answered the same."""

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import close_old_connections

from tests.factories import ann, cy, queued
from videogen.handlers import Application
from videogen.wsgi import application

pytestmark = pytest.mark.django_db

# What a browser must be told of any answer.
_SAFETY = (
    "X-Frame-Options",
    "X-Content-Type-Options",
    "Referrer-Policy",
    "Cross-Origin-Opener-Policy",
    "Content-Security-Policy",
)


@pytest.fixture(autouse=True)
def _one_connection() -> Iterator[None]:
    """Let requests see what their test wrote and did not commit, as Django's own client does."""
    request_started.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)


def _call(
    path: str, *, to: Application = application, **headers: str
) -> tuple[str, dict[str, str], bytes]:
    sent: dict[str, Any] = {}

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> None:
        sent.update(status=status, headers=dict(headers))

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "testserver",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        **headers,
    }
    answer = to(environ, start)
    body = b"".join(answer)
    return sent["status"], sent["headers"], body


def test_a_call_with_a_key_says_of_its_answer_what_a_page_says() -> None:
    bearer = f"Bearer {ann().api_key}"
    for path in ("/api/v1/jobs", "/v1/videos", "/api/v1/nothing"):
        _, headers, body = _call(path, HTTP_AUTHORIZATION=bearer)
        assert [name for name in _SAFETY if not headers.get(name)] == [], path
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Request-Id"].startswith("req_")
        assert "Set-Cookie" not in headers
        assert int(headers["Content-Length"]) == len(body)


def test_a_call_with_a_key_is_answered_as_by_the_whole_chain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bearer = f"Bearer {ann().api_key}"
    short = [_call(path, HTTP_AUTHORIZATION=bearer) for path in ("/api/v1/jobs", "/v1/videos/x")]
    monkeypatch.setattr(application, "_calls", application._pages)
    whole = [_call(path, HTTP_AUTHORIZATION=bearer) for path in ("/api/v1/jobs", "/v1/videos/x")]

    assert [status for status, _, _ in short] == ["200 OK", "404 Not Found"]
    assert [(status, body) for status, _, body in short] == [
        (status, body) for status, _, body in whole
    ]


def test_a_call_for_a_host_that_is_not_ours_is_refused() -> None:
    bearer = f"Bearer {ann().api_key}"
    status, _, _ = _call("/api/v1/jobs", HTTP_AUTHORIZATION=bearer, HTTP_HOST="evil.example")
    assert status.startswith("400")


def test_a_host_is_looked_at_each_time_until_it_is_known_as_ours() -> None:
    bearer = f"Bearer {ann().api_key}"
    for host, status in (("testserver", "200"), ("evil.example", "400")) * 2:
        found, _, _ = _call("/api/v1/jobs", HTTP_AUTHORIZATION=bearer, HTTP_HOST=host)
        assert found.startswith(status), host


def test_an_answer_without_a_body_names_no_length() -> None:
    bearer = f"Bearer {ann().api_key}"
    _, first, _ = _call("/api/v1/jobs", HTTP_AUTHORIZATION=bearer)
    status, headers, body = _call(
        "/api/v1/jobs", HTTP_AUTHORIZATION=bearer, HTTP_IF_NONE_MATCH=first["ETag"]
    )
    assert (status, body) == ("304 Not Modified", b"")
    assert "Content-Length" not in headers
    assert headers["ETag"] == first["ETag"]


def test_a_call_without_tls_is_sent_on_where_tls_is_wanted(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 60
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    strict, bearer = Application(), f"Bearer {ann().api_key}"
    status, headers, _ = _call("/api/v1/jobs", to=strict, HTTP_AUTHORIZATION=bearer)
    assert (status, headers["Location"]) == (
        "301 Moved Permanently",
        "https://testserver/api/v1/jobs",
    )
    assert "Strict-Transport-Security" not in headers
    status, headers, _ = _call(
        "/api/v1/jobs", to=strict, HTTP_AUTHORIZATION=bearer, HTTP_X_FORWARDED_PROTO="https"
    )
    assert (status, headers["Strict-Transport-Security"]) == ("200 OK", "max-age=60")


def test_addresses_that_were_found_once_name_their_own_job_each_time() -> None:
    owner, other = ann(), cy()
    mine, theirs = queued(owner), queued(other)
    for _ in range(2):
        for who, job, status in (
            (owner, mine, "200"),
            (owner, theirs, "404"),
            (other, mine, "404"),
        ):
            found, _, body = _call(
                f"/api/v1/jobs/{job}", HTTP_AUTHORIZATION=f"Bearer {who.api_key}"
            )
            assert found.startswith(status)
            assert (str(job).encode() in body) is (status == "200")


def test_a_cookie_beside_a_key_opens_nothing() -> None:
    owner = ann()
    status, _, body = _call(
        "/api/v1/jobs", HTTP_AUTHORIZATION="Basic x", HTTP_COOKIE=f"videogen_session={owner.id}"
    )
    assert status.startswith("401"), body


def test_pages_and_calls_of_pages_take_the_whole_chain() -> None:
    _, headers, _ = _call("/sign-in/")
    assert "script-src" in headers["Content-Security-Policy"]
    status, headers, _ = _call("/api/v1/jobs")
    assert status.startswith("401")
    assert "Content-Security-Policy" in headers


def test_a_key_that_is_shown_at_the_sign_in_of_apps_is_no_harm() -> None:
    status, headers, body = _call(
        "/api/v1/auth/app/v1/auth/session", HTTP_AUTHORIZATION=f"Bearer {ann().api_key}"
    )

    assert status.startswith("401"), body
    assert headers["Content-Type"] == "application/problem+json"


def test_every_answer_of_the_native_api_says_the_limits_of_the_plan() -> None:
    bearer = f"Bearer {ann().api_key}"
    for path in ("/api/v1/jobs", "/api/v1/webhook_endpoints", "/api/v1/devices", "/api/v1/keys"):
        _, headers, _ = _call(path, HTTP_AUTHORIZATION=bearer)
        assert '"queued";q=' in headers["RateLimit-Policy"], path
    _, headers, _ = _call("/api/v1/devices", HTTP_AUTHORIZATION="Bearer wrong")
    assert "RateLimit-Policy" not in headers
