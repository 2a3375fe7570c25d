"""A server that is started anew keeps its door open: who comes meanwhile waits and is answered."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from videogen import listening

_OF_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid() + int(sys.argv[2]))}
from videogen import listening
(found,) = listening.received("web", host="127.0.0.1", port=0)
print(found.fileno(), found.getsockname()[1])
"""


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_who_comes_between_two_servers_is_answered_by_the_second(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = listening.bound("127.0.0.1", free_port)
    holder = listening.Holder(tmp_path / "l.sock", {"web": held})
    holder.start()
    monkeypatch.setenv("SOCKETS_FROM", str(tmp_path / "l.sock"))
    (first,) = listening.received("web", host="127.0.0.1", port=free_port)
    first.close()

    with socket.create_connection(("127.0.0.1", free_port), timeout=10) as caller:
        (second,) = listening.received("web", host="127.0.0.1", port=free_port)
        second.settimeout(10)
        accepted, _ = second.accept()
        accepted.sendall(b"late, and here")

        assert caller.recv(20) == b"late, and here"
        accepted.close()

    second.close()
    holder.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=10)


def test_a_server_whose_holder_is_gone_or_knows_it_not_listens_by_itself(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOCKETS_FROM", str(tmp_path / "l.sock"))
    alone = listening.received("web", host="127.0.0.1", port=free_port, count=2)
    holder = listening.Holder(tmp_path / "l.sock", {"push": []})
    holder.start()
    stranger = listening.received("web", host="127.0.0.1", port=free_port)

    assert {one.getsockname()[1] for one in (*alone, *stranger)} == {free_port}
    assert len(alone) == 2
    holder.stop()
    for one in (*alone, *stranger):
        one.close()


@pytest.mark.parametrize(("beside", "is_taken"), [("0", True), ("1", False)])
def test_sockets_of_systemd_are_taken_by_the_process_that_they_are_for(
    beside: str, is_taken: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.fileno()
        told = subprocess.run(
            [sys.executable, "-c", _OF_SYSTEMD, str(number), beside],
            pass_fds=[number],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()

        assert (told == ["3", str(held.getsockname()[1])]) is is_taken


def test_no_answer_waits_for_an_acknowledgement() -> None:
    (listener,) = listening.received("web", host="127.0.0.1", port=0)
    with listener, socket.create_connection(listener.getsockname()):
        listener.settimeout(60)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
