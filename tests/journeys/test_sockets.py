"""Who gets a socket, and what the socket says to nonsense."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.stack import RunningStack


@contextmanager
def _socket(
    stack: RunningStack, *, origin: str | None, cookie: str = ""
) -> Iterator[ClientConnection]:
    address = str(stack.demo["push_url"]).replace("http", "ws", 1)
    with connect(
        f"{address}/ws/feed",
        origin=origin,  # type: ignore[arg-type]  # a plain string is an origin
        additional_headers={"Cookie": cookie} if cookie else None,
    ) as socket:
        yield socket


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://127.0.0.1:1", "http://127.0.0.1.evil.example", None]
)
def test_a_page_of_another_origin_gets_no_socket(
    running_stack: RunningStack, origin: str | None
) -> None:
    with pytest.raises(InvalidStatus) as refusal, _socket(running_stack, origin=origin):
        pass

    assert refusal.value.response.status_code == 403


def test_somebody_who_is_not_signed_in_is_told_so(running_stack: RunningStack) -> None:
    with (
        _socket(running_stack, origin=running_stack.url) as socket,
        pytest.raises(ConnectionClosed) as closed,
    ):
        socket.recv(timeout=30)

    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4401


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        "[]",
        '{"type": "catch_up"}',
        f'{{"type": "catch_up", "after": {2**70}}}',
        b"\x00",
    ],
)
def test_nonsense_closes_the_socket(running_stack: RunningStack, message: str | bytes) -> None:
    cookie = session_of(running_stack)
    with _socket(running_stack, origin=running_stack.url, cookie=cookie) as socket:
        socket.send(message)

        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=30)

    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4400


def test_a_new_socket_catches_up(running_stack: RunningStack) -> None:
    cookie = session_of(running_stack)
    with _socket(running_stack, origin=running_stack.url, cookie=cookie) as socket:
        socket.send('{"type": "catch_up", "after": 0}')
        answer = json.loads(socket.recv(timeout=30))

    assert answer["type"] == "events"
    assert [event["sequence"] for event in answer["events"]] == list(
        range(1, len(answer["events"]) + 1)
    )


def session_of(stack: RunningStack, tier: str = "enterprise") -> str:
    """Sign in as a browser does and give the cookie header of the session."""
    account = stack.account(tier)
    with httpx.Client(base_url=stack.url, follow_redirects=True) as client:
        page = client.get("/sign-in").text
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        client.post(
            "/sign-in",
            data={
                "csrfmiddlewaretoken": token,
                "username": account["email"],
                "password": account["password"],
            },
        )
        return f"videogen_session={client.cookies['videogen_session']}"
