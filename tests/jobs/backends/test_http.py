"""What one call may cost us, whatever the server does."""

import base64
import gzip
import time

import pytest

from jobs.backends import http
from jobs.backends.backend import Site
from tests.jobs.backends.scripted import Scripted, answer


def site(url: str, key: str = "") -> Site:
    return Site(pool="gpus", driver="any", profile="", url=url, key=key)


@pytest.mark.parametrize("padding", [0, 2000], ids=["headers", "long-headers"])
def test_headers_that_drip_in_end_with_the_call(padding: int) -> None:
    said = answer(200, {}, X_Padding="x" * padding)
    with Scripted(said, piece=1 + padding // 1000) as server:
        began = time.monotonic()
        with pytest.raises(http.NoAnswer, match="Timeout") as late:
            http.call(site(server.url), "GET", "/", seconds=0.5)

    assert late.value.was_sent
    assert 0.4 < time.monotonic() - began < 3


def test_an_endless_head_is_refused() -> None:
    with (
        Scripted(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 300_000) as server,
        pytest.raises(http.NoAnswer),
    ):
        http.call(site(server.url), "GET", "/", seconds=2)


def test_a_body_beyond_the_bound_is_refused() -> None:
    with (
        Scripted(answer(200, b"x" * (2 * 2**20 + 1))) as server,
        pytest.raises(http.NoAnswer, match="larger than"),
    ):
        http.call(site(server.url), "GET", "/")


def test_a_compressed_body_is_refused() -> None:
    with (
        Scripted(answer(200, gzip.compress(b"{}"), Content_Encoding="gzip")) as server,
        pytest.raises(http.NoAnswer, match="compressed"),
    ):
        http.call(site(server.url), "GET", "/")


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with Scripted(answer(302, Location="http://169.254.169.254/"), answer(200)) as server:
        reply = http.call(site(server.url), "GET", "/")

    assert reply.status == 302
    assert len(server.requests) == 1


def test_a_create_never_uses_a_kept_connection() -> None:
    said = answer(200, {}).replace(b"Connection: close\r\n", b"")
    with Scripted(said, said, lingers=True) as server:
        for _ in range(2):
            assert http.call(site(server.url), "POST", "/", form={"a": "b"}).is_ok

    assert len(server.requests) == 2


def test_a_name_and_password_in_the_address_are_sent_as_such_and_nothing_else() -> None:
    with Scripted(answer(200), answer(200)) as server:
        http.call(site(server.url.replace("//", "//ann:s3cret@")), "GET", "/health")
        http.call(site(server.url), "GET", "/health")

    named, plain = (one.decode().lower().split("\r\n") for one in server.requests)
    assert f"authorization: basic {base64.b64encode(b'ann:s3cret').decode().lower()}" in named
    for head in (named, plain):
        assert head[0] == "get /health http/1.1"
        assert head.count(f"host: {server.url.removeprefix('http://')}") == 1
        assert "accept-encoding: identity" in head
    assert not any(line.startswith("authorization") for line in plain)


def test_cookies_are_not_kept() -> None:
    said = answer(200, Set_Cookie="a=b; Path=/")
    with Scripted(said, said) as server:
        for _ in range(2):
            http.call(site(server.url), "GET", "/")

    assert all(b"ookie" not in one for one in server.requests)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://[", "ftp://x", "http://\x00", "http://" + "a" * 70 + ".b"]
)
def test_what_cannot_be_reached_was_not_sent(url: str) -> None:
    with pytest.raises(http.NoAnswer) as failed:
        http.call(site(url), "GET", "/", seconds=2)

    assert not failed.value.was_sent


def test_a_key_that_no_header_can_carry_was_not_sent() -> None:
    with Scripted(answer(200)) as server, pytest.raises(http.NoAnswer) as failed:
        http.call(site(server.url), "GET", "/", headers={"Authorization": "Bearer kéy\n"})

    assert not failed.value.was_sent


@pytest.mark.parametrize("body", [b"[" * 100_000, b"{", b"\xff", b"", b"9" * 5000])
def test_what_is_no_json_is_none(body: bytes) -> None:
    with Scripted(answer(200, body)) as server:
        reply = http.call(site(server.url), "GET", "/")

    assert reply.json() is None
    assert reply.any_json() is None


def test_operators_read_an_excerpt_without_the_key() -> None:
    with Scripted(answer(400, b"No such key: sk-secret\x1b[31m\x00 " + b"x" * 1000)) as server:
        reply = http.call(site(server.url, "sk-secret"), "GET", "/")

    assert reply.excerpt().startswith("HTTP 400: No such key: [key] [31m  x")
    assert len(reply.excerpt()) < 320
    assert "sk-secret" not in repr(reply).replace(repr(reply.body), "")
