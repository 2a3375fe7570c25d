"""Listening sockets that outlive the process that accepts from them.

Whoever supervises a server can hold its sockets. While the server is started anew, callers wait in the kernel's queue
instead of being refused. bin/dev hands them over through `SOCKETS_FROM`, systemd through sd_listen_fds(3).
"""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

BACKLOG: Final = 1024
# The first descriptor of sd_listen_fds(3).
_FIRST: Final = 3
_MOST: Final = 64
_NAME_BYTES: Final = 100
# The holder answers at once, or is gone.
_PATIENCE: Final = 5.0


def bound(host: str, port: int, *, count: int = 1) -> list[socket.socket]:
    """Listen on an address with so many sockets, among which the kernel shares callers. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return [
        socket.create_server(
            (host, port),
            family=family,
            backlog=BACKLOG,
            reuse_port=True,
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
        for _ in range(count)
    ]


def received(name: str, *, host: str, port: int, count: int = 1) -> list[socket.socket]:
    """Give the sockets that somebody holds for this server, or bind the address. Raises OSError."""
    found = _of_systemd() or _of_holder(name) or bound(host, port, count=count)
    for one in found:
        one.settimeout(0)
        # Connections inherit it: else an answer of two packets waits 40 ms for the first one's acknowledgement.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _of_systemd() -> list[socket.socket]:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=_FIRST + at) for at in range(count)]


def _of_holder(name: str) -> list[socket.socket]:
    path = os.environ.get("SOCKETS_FROM")
    if not path:
        return []
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_PATIENCE)
            line.connect(path)
            line.sendall(name.encode())
            line.shutdown(socket.SHUT_WR)
            _, descriptors, _, _ = socket.recv_fds(line, 1, _MOST)
    except OSError as error:
        # Its keeper was killed: served all the same.
        logger.warning("sockets_not_received", extra={"reason": str(error)})
        return []
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]


@dataclass(slots=True)
class Holder:
    """Holds the sockets of servers by name, and gives them to whoever asks at `path`."""

    path: Path
    held: Mapping[str, Sequence[socket.socket]]
    _line: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))

    def start(self) -> None:
        """Answer on a thread of its own. Only this user may ask."""
        self.path.unlink(missing_ok=True)
        self._line.bind(str(self.path))
        self.path.chmod(0o600)
        self._line.listen()
        threading.Thread(target=self._answer, name="sockets", daemon=True).start()

    def stop(self) -> None:
        """Let go of everything: callers are refused from now on."""
        with contextlib.suppress(OSError):
            # Closing alone would leave the thread in its accept.
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()
        self.path.unlink(missing_ok=True)
        for sockets in self.held.values():
            for one in sockets:
                one.close()

    def _answer(self) -> None:
        while True:
            try:
                asker, _ = self._line.accept()
            except OSError:
                return
            with asker:
                try:
                    asker.settimeout(_PATIENCE)
                    name = asker.recv(_NAME_BYTES).decode()
                    given = [one.fileno() for one in self.held.get(name, ())]
                    socket.send_fds(asker, [b"."], given)
                except OSError as error:
                    logger.warning("sockets_not_given", extra={"reason": str(error)})
