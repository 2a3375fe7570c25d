"""The receivers of the proofs note what was sent whole: what a killed sender left cut was never sent."""

import socket
from pathlib import Path

import pytest

from proofs.sinks.running import Sink, sink

_HEAD = "POST /ok HTTP/1.1\r\nHost: sink\r\nwebhook-id: msg_1\r\nContent-Length: 4\r\n\r\n"
_MAIL = "EHLO proof\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nMessage-ID: <1@b>\r\nSubject: Whole\r\n"


def _send_and_hang_up(to: Sink, text: str) -> None:
    with socket.create_connection(("127.0.0.1", to.port), timeout=10) as sender:
        sender.sendall(text.encode())
        sender.shutdown(socket.SHUT_WR)
        # It has dealt with everything when it hangs up, too.
        while sender.recv(1024):
            pass


@pytest.mark.parametrize(
    ("kind", "cut", "whole", "noted"),
    [
        ("http", _HEAD, f"{_HEAD}body", {"id": "msg_1", "body": "body"}),
        ("http", f"{_HEAD}bod", f"{_HEAD}body", {"id": "msg_1", "body": "body"}),
        ("smtp", _MAIL, f"{_MAIL}\r\n.\r\n", {"id": "<1@b>", "subject": "Whole"}),
        ("smtp", f"{_MAIL}\r\nHalf a", f"{_MAIL}\r\n.\r\n", {"id": "<1@b>", "subject": "Whole"}),
    ],
    ids=["request without body", "half a body", "mail without body", "half a mail"],
)
def test_a_cut_message_never_arrived_and_a_whole_one_did(
    tmp_path: Path, kind: str, cut: str, whole: str, noted: dict[str, str]
) -> None:
    with sink(kind, tmp_path) as running:
        _send_and_hang_up(running, cut)
        _send_and_hang_up(running, whole)

        (line,) = running.arrived()

    assert {name: line[name] for name in noted} == noted
