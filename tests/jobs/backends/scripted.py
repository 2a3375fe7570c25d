"""A server that answers as it is told to, byte for byte: what no honest program would send."""

import contextlib
import json
import socket
import threading
from types import TracebackType
from typing import Any, Self


def answer(status: int, body: Any = b"", **headers: str) -> bytes:
    """Make a whole answer; what is not bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(content)}\r\n"
    return f"{head}{lines}\r\n".encode() + content


class Scripted:
    """Gives its answers in turn, one for each connection, each in pieces with a pause between them."""

    def __init__(
        self, *answers: bytes, piece: int = 0, pause: float = 0.05, lingers: bool = False
    ) -> None:
        self._answers = list(answers)
        self._piece = piece
        self._pause = pause
        # Closes a kept connection only when the next request is on its way.
        self._lingers = lingers
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.requests: list[bytes] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while self._answers and not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.requests.append(connection.recv(65536))
                said = self._answers.pop(0)
                size = self._piece or max(1, len(said))
                for at in range(0, len(said), size):
                    connection.sendall(said[at : at + size])
                    if self._piece and self._over.wait(self._pause):
                        break
                if self._lingers:
                    connection.recv(65536)
