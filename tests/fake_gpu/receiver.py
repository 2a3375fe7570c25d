"""Takes webhooks over real HTTP and keeps them as they came."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One webhook; header names in lower case."""

    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Receiver:
    """Listens on a free port; `statuses` are answered in turn, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.letters: list[Letter] = []
        answers = list(statuses)
        letters = self.letters

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                letters.append(Letter(at=time.time(), headers=headers, body=body))
                self.send_response(answers.pop(0) if answers else 200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?token=attempt-7"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, count: int = 1, *, patience: float = 10.0) -> list[Letter]:
        """Wait for so many webhooks."""
        deadline = time.monotonic() + patience
        while len(self.letters) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.letters)} of {count} webhooks came.")
            time.sleep(0.01)
        return list(self.letters)
