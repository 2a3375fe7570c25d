"""Telling a PostgreSQL that is stopped from one that is slow, and sparing callers the wait for the first.

A stopped server keeps its connections open, takes new ones, and answers nothing: neither its own timeouts nor TCP's end
a wait for it. So whoever waits longer than a moment asks for the first byte of a new connection. A server that gives it
is waited for as long as its own timeouts allow. One that does not is stalled: this wait fails, and so does every call
of this process at once, until a thread has seen the server answer again.
"""

import logging
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Final

import psycopg

logger = logging.getLogger(__name__)

# A wait that lasts so long makes somebody ask whether the server answers at all, seconds.
SUSPICIOUS: Final = 0.8
# A server that lives answers within so many seconds, on a busy machine too.
_ANSWERS_IN: Final = 1.0
# What was found out is good for so long, seconds.
_GOOD_FOR: Final = 1.0
# Between two looks at a stalled server, seconds.
_EVERY: Final = 0.25
# SSLRequest: a length, and a number where else a version stands (PostgreSQL, "Message Formats"). The answer is a byte.
_HELLO: Final = struct.pack("!ii", 8, 80877103)


class DatabaseStalled(psycopg.OperationalError):
    """The server takes connections and answers nothing. Whether what was under way happened is not known."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL does not answer.")


class Server:
    """What this process knows of one server."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lock = threading.Lock()
        self._answered_at = float("-inf")
        self.is_stalled = False

    def check(self) -> None:
        """Raise DatabaseStalled without a wait, while the server is known to be stalled."""
        if self.is_stalled:
            raise DatabaseStalled

    def suspect(self) -> None:
        """Find out whether the server answers; one thread asks, others wait for it. Raises DatabaseStalled."""
        with self._lock:
            if self.is_stalled:
                raise DatabaseStalled
            if time.monotonic() - self._answered_at < _GOOD_FOR:
                return
            if self._answers():
                self._answered_at = time.monotonic()
                return
            self._give_up()
        raise DatabaseStalled

    def hung(self) -> None:
        """Hear that a new connection got no answer, for longer than anybody else would wait. Raises DatabaseStalled."""
        with self._lock:
            if not self.is_stalled:
                self._give_up()
        raise DatabaseStalled

    def _give_up(self) -> None:
        self.is_stalled = True
        threading.Thread(target=self._look, name="database-stalled", daemon=True).start()
        logger.error("database_stalled")

    def _look(self) -> None:
        while not self._answers():
            time.sleep(_EVERY)
        self.is_stalled = False
        logger.warning("database_answers_again")

    def _answers(self) -> bool:
        """Say whether there is an answer, a refusal included: that is no reason to wait either."""
        ends_at = time.monotonic() + _ANSWERS_IN
        try:
            with self._connected() as line:
                line.sendall(_HELLO)
                line.settimeout(max(0.01, ends_at - time.monotonic()))
                line.recv(1)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            return True
        return True

    def _connected(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._port), _ANSWERS_IN)
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(_ANSWERS_IN)
        try:
            line.connect(str(Path(self._host) / f".s.PGSQL.{self._port}"))
        except BaseException:
            line.close()
            raise
        return line


_servers: dict[tuple[str, int], Server] = {}


def of(host: str, port: int) -> Server:
    """Give what is known of the server at this address; a path is the folder of its socket."""
    return _servers.setdefault((host, port), Server(host, port))
