"""`python -m proofs.sinks.http JOURNAL`: a user's webhook receiver in a process of its own.

Prints its port. Every whole request becomes a line of the journal before it is answered; of a sender that was killed
while it sent, nothing arrived. The path says how it answers:
`/status/500`, `/hang`, `/drip`, `/flood`, `/redirect`, `/flaky/N` (fails N times for each message), anything else 204.
"""

import json
import os
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Final

_METADATA: Final = "http://169.254.169.254/latest/meta-data/"
_FLOOD: Final = 10 * 2**30
_PIECE: Final = 64 * 1024


class Journal:
    """Lines of JSON, each written whole and kept by the operating system, whoever is killed."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def note(self, entry: dict[str, object]) -> None:
        """Append one line."""
        os.write(self._file, (json.dumps(entry) + "\n").encode())


class Receiver(BaseHTTPRequestHandler):
    journal: ClassVar[Journal]
    tries: ClassVar[Counter[str]] = Counter()
    lock: ClassVar[threading.Lock] = threading.Lock()

    def do_POST(self) -> None:
        """Note the request, then answer as the path says."""
        length = int(self.headers.get("Content-Length", "0"))
        raw = self.rfile.read(length)
        if len(raw) < length:
            self.close_connection = True
            return
        body = raw.decode()
        message = self.headers.get("webhook-id", "")
        with self.lock:
            self.tries[self.path + message] += 1
            count = self.tries[self.path + message]
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.journal.note(
            {"path": self.path, "id": message, "headers": headers, "body": body, "at": time.time()}
        )
        kind, _, value = self.path.strip("/").partition("/")
        match kind:
            case "status":
                self._answer(int(value))
            case "flaky":
                self._answer(500 if count <= int(value) else 204)
            case "redirect":
                self._answer(302, Location=_METADATA)
            case "hang":
                time.sleep(60)
            case "drip":
                self._drip()
            case "flood":
                self._flood()
            case _:
                self._answer(204)

    def do_GET(self) -> None:
        """Note that somebody followed something."""
        self.journal.note({"path": self.path, "id": "", "method": "GET", "at": time.time()})
        self._answer(200)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the journal is the record."""

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _drip(self) -> None:
        """Send a head that never ends, a byte at a time."""
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(120):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.5)
        except OSError:
            return

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(_FLOOD))
        self.end_headers()
        try:
            for _ in range(_FLOOD // _PIECE):
                self.wfile.write(b"x" * _PIECE)
        except OSError:
            return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: callers that hang up are what is being tried."""


def main() -> None:
    """Serve until killed."""
    Receiver.journal = Journal(Path(sys.argv[1]))
    server = _Server(("127.0.0.1", 0), Receiver)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
