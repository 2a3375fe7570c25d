"""`python -m proofs.sinks.socket JOURNAL ADDRESS ORIGIN COOKIE`: a page's socket in a process of its own.

It does what static/js/live.js does: catches up after every connection and at every gap, drops what it has seen.
Every event that a page would show becomes a line of the journal, once applied.
"""

import json
import sys
import time
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from proofs.sinks.http import Journal

# A page asks again so often, seconds; a browser's page every 30.
_CATCH_UP_EVERY = 2.0


class Page:
    """What a page knows: the last sequence number that it applied."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._last = 0

    def live(self, socket: ClientConnection) -> None:
        """Follow one connection until it breaks."""
        self._catch_up(socket)
        while True:
            try:
                message = json.loads(socket.recv(timeout=_CATCH_UP_EVERY))
            except TimeoutError:
                self._catch_up(socket)
                continue
            for event in message.get("events", []):
                if event["sequence"] > self._last + 1:
                    self._catch_up(socket)
                    break
                if event["sequence"] == self._last + 1:
                    self._last = event["sequence"]
                    self._journal.note(
                        {
                            "id": event["sequence"],
                            "name": event["name"],
                            "subject": event["subject_id"],
                            "at": time.time(),
                            "recorded_at": event["at"],
                        }
                    )

    def _catch_up(self, socket: ClientConnection) -> None:
        socket.send(json.dumps({"type": "catch_up", "after": self._last}))


def main() -> None:
    """Connect again whenever the connection breaks, until killed."""
    journal, address, origin, cookie = sys.argv[1:]
    page = Page(Journal(Path(journal)))
    while True:
        try:
            headers = {"Cookie": cookie}
            with connect(address, origin=Origin(origin), additional_headers=headers) as socket:
                page.live(socket)
        except (OSError, WebSocketException):
            time.sleep(0.2)


if __name__ == "__main__":
    main()
