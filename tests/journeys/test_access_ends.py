"""Open sockets end when the key, the session or the account that opened them does, in every process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.journeys.test_sockets import session_of
from tests.stack import RunningStack

_SOON = 20.0


def _key(stack: RunningStack, **fields: object) -> dict[str, str]:
    own = {"Authorization": f"Bearer {stack.account('internal')['api_key']}"}
    body = {"name": "socket", **fields}
    answer = httpx.post(f"{stack.url}/api/v1/keys", json=body, headers=own)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), **own}


@contextmanager
def _socket(stack: RunningStack, **headers: str) -> Iterator[ClientConnection]:
    address = str(stack.demo["push_url"]).replace("http", "ws", 1)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with connect(f"{address}/ws/feed", additional_headers=named) as socket:
        yield socket


def _closing_code(socket: ClientConnection) -> int:
    try:
        while True:
            socket.recv(timeout=_SOON)
    except ConnectionClosed as closed:
        return int(closed.rcvd.code) if closed.rcvd else 0


def _catches_up(socket: ClientConnection) -> bool:
    socket.send('{"type": "catch_up", "after": 0}')
    return '"events"' in str(socket.recv(timeout=_SOON))


def test_an_app_opens_a_socket_with_its_key_and_loses_it_with_the_key(
    running_stack: RunningStack,
) -> None:
    key = _key(running_stack)
    with _socket(running_stack, Authorization=f"Bearer {key['key']}") as socket:
        assert _catches_up(socket)

        httpx.delete(
            f"{running_stack.url}/api/v1/keys/{key['id']}",
            headers={"Authorization": key["Authorization"]},
        )

        assert _closing_code(socket) == 4401


def test_a_change_that_nobody_announced_ends_the_socket_too(running_stack: RunningStack) -> None:
    key = _key(running_stack)
    with _socket(running_stack, Authorization=f"Bearer {key['key']}") as socket:
        assert _catches_up(socket)

        # Straight to the table: no doorbell rings, as if Redis had lost it.
        running_stack.manage(
            "shell",
            "-c",
            "from django.utils import timezone;"
            "from videogen.accounts.models import ApiKey;"
            f"ApiKey.objects.filter(id='{key['id']}').update(revoked_at=timezone.now())",
        )

        assert _closing_code(socket) == 4401


def test_signing_out_ends_the_sockets_of_the_session(running_stack: RunningStack) -> None:
    cookie = session_of(running_stack)
    with _socket(running_stack, Cookie=cookie, Origin=running_stack.url) as socket:
        assert _catches_up(socket)
        own = dict([cookie.split("=", 1)])
        with httpx.Client(base_url=running_stack.url, cookies=own) as browser:
            page = browser.get("/").text
            token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
            answer = browser.post("/sign-out", data={"csrfmiddlewaretoken": token})
            assert answer.headers["Location"] == "/sign-in"

        assert _closing_code(socket) == 4401


def test_a_suspension_is_felt_within_a_second_by_requests_and_sockets(
    running_stack: RunningStack,
) -> None:
    account = running_stack.account("free")
    own = {"Authorization": f"Bearer {account['api_key']}"}
    act = (
        "from videogen.accounts import suspensions;from videogen.accounts.models import User;"
        f"suspensions.{{}}(User.objects.get(email='{account['email']}'), reason='Spam', by=None)"
    )
    with _socket(running_stack, **own) as socket:
        assert _catches_up(socket)
        running_stack.manage("shell", "-c", act.format("suspend"))
        try:
            assert _closing_code(socket) == 4401
            # The web process remembers for a second at most.
            deadline = time.monotonic() + _SOON
            while (answer := httpx.get(f"{running_stack.url}/api/v1/jobs", headers=own)).is_success:
                assert time.monotonic() < deadline
            assert answer.json()["code"] == "account_suspended"
            with _socket(running_stack, **own) as again:
                assert _closing_code(again) == 4403
        finally:
            running_stack.manage("shell", "-c", act.format("lift"))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Authorization": "Bearer vg_nonsense"}, 4401),
        ({"X-Session-Token": "nonsense"}, 4401),
        ({"X-Session-Token": ""}, 4401),
    ],
)
def test_a_bad_credential_is_not_saved_by_a_good_cookie(
    running_stack: RunningStack, headers: dict[str, str], code: int
) -> None:
    with _socket(running_stack, Cookie=session_of(running_stack), **headers) as socket:
        assert _closing_code(socket) == code


def test_a_key_that_may_not_read_gets_no_socket(running_stack: RunningStack) -> None:
    key = _key(running_stack, scopes=["write"])
    with _socket(running_stack, Authorization=f"Bearer {key['key']}") as socket:
        assert _closing_code(socket) == 4403
