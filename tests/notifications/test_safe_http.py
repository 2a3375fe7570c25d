"""Nothing that a user names leads us into a private network: neither when it is given nor when it is used."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from notifications import safe_http
from notifications.public_addresses import is_allowed, is_public
from notifications.safe_http import NoAnswer, Refused
from proofs.sinks.running import Sink
from tests.notifications.addresses import PRIVATE, PUBLIC, TRICKS

Resolves = Callable[..., list[str]]


class Trap:
    """Listens on every address of this machine and counts who comes."""

    def __init__(self) -> None:
        self.count = 0
        self._socket = socket.socket()
        self._socket.bind(("0.0.0.0", 0))  # noqa: S104 - a trap hears everywhere
        self._socket.listen()
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.count += 1
            caller.close()

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def trap() -> Iterator[Trap]:
    found = Trap()
    yield found
    found.close()


@pytest.fixture
def _names_lead_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read numbers as the system does, and answer every name with the worst address there is."""

    def lookup(host: str, port: int) -> list[Any]:
        try:
            return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
        except socket.gaierror:
            return [(None, None, None, "", ("127.0.0.1", port))]

    monkeypatch.setattr(safe_http, "lookup", lookup)


@contextmanager
def _no_connection_anywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    tried: list[Any] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            tried.append(address)
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    yield tried


def test_there_are_as_many_spellings_as_promised() -> None:
    assert len(set(PRIVATE)) + len(set(TRICKS)) >= 150


@pytest.mark.usefixtures("_names_lead_home")
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_no_spelling_of_a_private_address_passes_at_create_or_at_send(
    scheme: str, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[str] = []
    with _no_connection_anywhere(monkeypatch) as tried:
        for host in PRIVATE:
            for url in (f"{scheme}://{host}/", f"{scheme}://{host}:{trap.port}/hook"):
                for act in (safe_http.check, lambda url: safe_http.post(url, b"{}", headers={})):
                    try:
                        act(url)
                    except Refused:
                        continue
                    except NoAnswer:
                        pass
                    passed.append(url)

    assert passed == []
    assert tried == []
    assert trap.count == 0


@pytest.mark.usefixtures("_names_lead_home")
def test_no_trick_of_spelling_passes_either(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    with _no_connection_anywhere(monkeypatch) as tried:
        for url in TRICKS:
            for act in (safe_http.check, lambda url: safe_http.post(url, b"{}", headers={})):
                try:
                    act(url)
                except Refused:
                    continue
                passed.append(url)

    assert passed == []
    assert tried == []


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_named_private_networks_are_open_and_no_others() -> None:
    assert is_allowed("10.1.2.3", ["10.1.0.0/16"])
    assert is_allowed("::ffff:10.1.2.3", ["10.1.0.0/16"])
    assert not is_allowed("10.2.0.1", ["10.1.0.0/16"])
    assert is_allowed("::1", ["127.0.0.0/8", "::1/128"])


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    resolves: Resolves, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolves([*(f"8.8.4.{at}" for at in range(1, 50)), "10.0.0.1"])
    with _no_connection_anywhere(monkeypatch) as tried:
        with pytest.raises(Refused, match="not public"):
            safe_http.check("https://many.example/")
        with pytest.raises(Refused, match="not public"):
            safe_http.post("https://many.example/", b"{}", headers={})

    assert tried == []


def test_a_name_that_changes_its_answer_gains_nothing(
    resolves: Resolves, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolves(["8.8.8.8"], ["127.0.0.1"])
    url = "https://rebinds.example/"
    safe_http.check(url)
    with _no_connection_anywhere(monkeypatch) as tried, pytest.raises(Refused, match="not public"):
        safe_http.post(url, b"{}", headers={})

    assert tried == []
    assert len(asked) == 2


def test_the_connection_goes_to_the_address_that_was_checked(
    resolves: Resolves, receiver: Sink, settings: Any
) -> None:
    # The second answer would be another network; it is never asked for.
    asked = resolves(["127.0.0.1"], ["10.0.0.1"])

    reply = safe_http.post(f"http://hooks.example:{receiver.port}/ok", b"{}", headers={})

    (got,) = receiver.arrived()
    assert reply.status == 204
    assert asked == ["hooks.example"]
    assert got["headers"]["host"] == f"hooks.example:{receiver.port}"


def test_public_addresses_are_reached_by_tls_on_its_ports_only(resolves: Resolves) -> None:
    resolves(["8.8.8.8"])
    for url in (
        "http://public.example/",
        "http://public.example:443/",
        "http://public.example:8443/",
        "https://public.example:22/",
        "https://public.example:6379/",
    ):
        with pytest.raises(Refused):
            safe_http.check(url)
        with pytest.raises(Refused):
            safe_http.post(url, b"{}", headers={})
    safe_http.check("https://public.example/")
    safe_http.check("https://public.example:8443/hooks?x=1")


def test_a_name_that_does_not_resolve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(host: str, port: int) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr(safe_http, "lookup", fails)

    with pytest.raises(Refused, match="does not resolve"):
        safe_http.check("https://nobody.example/")


def test_a_resolver_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()
    monkeypatch.setattr(safe_http, "RESOLVE_SECONDS", 0.1)
    monkeypatch.setattr(safe_http, "lookup", lambda *_: [ends.wait(10)][1:])

    with pytest.raises(NoAnswer, match="looked up in time"):
        safe_http.check("https://slow.example/")

    ends.set()


@pytest.mark.parametrize("path", ["/hang", "/drip"])
def test_a_call_ends_in_time_whatever_the_other_side_does(receiver: Sink, path: str) -> None:
    with pytest.raises(NoAnswer, match="did not answer within"):
        safe_http.post(f"http://127.0.0.1:{receiver.port}{path}", b"{}", headers={}, seconds=0.7)


def test_ten_gigabytes_are_not_read(receiver: Sink) -> None:
    began = time.monotonic()

    reply = safe_http.post(f"http://127.0.0.1:{receiver.port}/flood", b"{}", headers={})

    assert (reply.status, reply.is_cut) == (200, True)
    assert len(reply.body) == safe_http.LARGEST_ANSWER
    assert time.monotonic() - began < safe_http.CALL_SECONDS


def test_a_redirect_is_an_answer_and_not_a_way(receiver: Sink) -> None:
    reply = safe_http.post(f"http://127.0.0.1:{receiver.port}/redirect", b"{}", headers={})

    assert reply.status == 302
    assert [got["path"] for got in receiver.arrived()] == ["/redirect"]


def test_the_environments_proxy_is_not_used(
    receiver: Sink, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")

    assert safe_http.post(f"http://127.0.0.1:{receiver.port}/", b"", headers={}).status == 204
    assert trap.count == 0
