"""A PostgreSQL that is stopped is told from one that is slow, and from one that is gone."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from videogen.postgresql import base, stalls
from videogen.postgresql.stalls import DatabaseStalled, Server


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Give a listener that takes connections and says nothing, as a stopped server does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def _until(question: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not question():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def test_a_server_that_says_nothing_is_stalled_until_it_speaks_again(silent: socket.socket) -> None:
    server = Server(*silent.getsockname())

    with pytest.raises(DatabaseStalled):
        server.suspect()
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(DatabaseStalled):
            server.check()
    # Whoever comes later does not wait.
    assert time.monotonic() - began < stalls.SUSPICIOUS

    def speak() -> None:
        while server.is_stalled:
            line, _ = silent.accept()
            with line:
                line.sendall(b"N")

    threading.Thread(target=speak, daemon=True).start()
    _until(lambda: not server.is_stalled)
    server.check()


def test_a_server_that_is_gone_is_no_stall() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    Server("127.0.0.1", port).suspect()


def test_a_server_without_an_address_that_is_not_there_is_no_stall() -> None:
    Server("/nowhere", 5432).suspect()


@pytest.mark.django_db
def test_a_slow_statement_of_a_server_that_lives_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stalls, "SUSPICIOUS", 0.05)
    asked: list[Server] = []
    suspect = Server.suspect

    def noted(server: Server) -> None:
        asked.append(server)
        suspect(server)

    monkeypatch.setattr(Server, "suspect", noted)

    with connection.cursor() as cursor:
        cursor.execute("select 'slow' from pg_sleep(0.3)")
        assert cursor.fetchone() == ("slow",)

    assert len(asked) > 1
    assert isinstance(connection.connection, base.Connection)


@pytest.mark.django_db
def test_a_long_statement_that_a_live_server_reads_slowly_is_sent_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stalls, "SUSPICIOUS", 0.05)
    words = "long" * 4_000_000
    with connection.cursor() as cursor:
        cursor.execute("select pg_backend_pid()")
        reader = cursor.fetchone()[0]
        # More than any socket's buffer holds: the statement is half sent when the wait grows suspicious.
        os.kill(reader, signal.SIGSTOP)
        threading.Timer(0.4, os.kill, (reader, signal.SIGCONT)).start()
        cursor.execute("select length(%s)", [words])
        assert cursor.fetchone() == (len(words),)


def test_a_connection_to_a_server_that_says_nothing_ends(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = silent.getsockname()
    with pytest.raises(DatabaseStalled):
        base.Connection.connect(host=host, port=port, dbname="x", user="x", connect_timeout=2)
    # The next one does not even try.
    began = time.monotonic()
    with pytest.raises(DatabaseStalled):
        base.Connection.connect(host=host, port=port, dbname="x", user="x", connect_timeout=2)
    assert time.monotonic() - began < 1
