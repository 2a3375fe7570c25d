"""A server of /v1/videos that shares nothing with ours: a few lines of `http.server`, and ways to be different.

It has one video at a time of each id, which goes on by one step at each question.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

Shape = Callable[[dict[str, Any]], Any]
FILE = b"\x00\x00\x00\x18ftypmp42" + b"a video" * 100


def _as_it_is(found: Any) -> Any:
    return found


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How this server differs from what the OpenAI API documents."""

    # The words of a job's life, the last for ever.
    words: tuple[str, ...] = ("queued", "in_progress", "completed")
    ids: Callable[[int], Any] = "vid-{}".format
    # What a job looks like, and what is put around it; around the list.
    job: Shape = _as_it_is
    around: Shape = _as_it_is
    around_list: Callable[[list[Any]], Any] = field(default=lambda jobs: {"data": jobs})
    created: int = 200
    failed: int = 200
    # The answer to a question about what is not there.
    lost: tuple[int, bytes] = (404, b'{"detail": "Not found"}')
    # "length", "close" (the end of the connection is the end of the body), "chunks" (with a trailer).
    framing: str = "length"
    content_type: str = "application/json"
    encoding: str = "utf-8"
    # Where /content sends its caller, with the server's own address for "{}"; "" answers with the file.
    content_at: str = ""


class Foreign:
    """`with Foreign(Ways(...)) as server:`; `progress` is what it shows as progress while it runs."""

    def __init__(
        self, ways: Ways, *, progress: Any = None, extra: Mapping[str, Any] | None = None
    ) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        # Method, path and authorization of each request.
        self.asked: list[tuple[str, str, str]] = []
        self._ways = ways
        self._progress = progress
        # What a job shows beside, once it has ended.
        self.extra = dict(extra or {})
        self._server = _Listener(self, ways)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def create(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """Take an order."""
        number = len(self.jobs) + 1
        found = {"id": self._ways.ids(number), "prompt": fields["prompt"], "step": 0}
        self.jobs[str(found["id"])] = found
        return self.view(found)

    def view(self, found: dict[str, Any]) -> dict[str, Any]:
        """Show a job."""
        words = self._ways.words
        step = min(found["step"], len(words) - 1)
        is_last = step == len(words) - 1
        shown = {"id": found["id"], "status": words[step], "prompt": found["prompt"]}
        shown |= {"progress": self._progress, "created_at": 1_790_000_000}
        view: dict[str, Any] = self._ways.job(shown | (self.extra if is_last else {}))
        return view

    def forget(self) -> None:
        """Lose everything."""
        self.jobs.clear()

    def change(self, ways: Ways) -> None:
        """Become another."""
        self._ways = self._server.ways = ways

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


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, foreign: Foreign, ways: Ways) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.foreign = foreign
        self.ways = ways


class _Handler(BaseHTTPRequestHandler):
    server: "_Listener"
    protocol_version = "HTTP/1.1"

    @property
    def foreign(self) -> Foreign:
        return self.server.foreign

    @property
    def ways(self) -> Ways:
        return self.server.ways

    def do_POST(self) -> None:
        self._heard()
        given = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(
            self.ways.created,
            self.ways.around(self.foreign.create(_form(self.headers, given))),
        )

    def do_GET(self) -> None:
        self._heard()
        _, _, rest = self.path.partition("?")[0].partition("/v1/videos")
        name, what = map(unquote, rest.strip("/").partition("/")[::2])
        if self.path.startswith("/elsewhere/"):
            self._send(200, FILE, "video/mp4")
        elif not name:
            self._say(
                200, self.ways.around_list([*map(self.foreign.view, self.foreign.jobs.values())])
            )
        elif name not in self.foreign.jobs:
            self._send(*self.ways.lost)
        elif what:
            self._content()
        else:
            self.foreign.jobs[name]["step"] += 1
            shown = self.foreign.view(self.foreign.jobs[name])
            is_failed = "error" in shown and self.ways.failed
            self._say(self.ways.failed if is_failed else 200, self.ways.around(shown))

    def do_DELETE(self) -> None:
        self._heard()
        name = unquote(self.path.rpartition("/")[2])
        if self.foreign.jobs.pop(name, None) is None:
            self._send(*self.ways.lost)
        else:
            self._send(204, b"")

    def _content(self) -> None:
        if not self.ways.content_at:
            self._send(200, FILE, "video/mp4")
            return
        self._send(302, b"", location=self.ways.content_at.format(self.foreign.url))

    def _heard(self) -> None:
        authorization = self.headers.get("Authorization", "")
        self.foreign.asked.append((self.command, self.path, authorization))

    def _say(self, status: int, found: Any) -> None:
        text = json.dumps(found, ensure_ascii=False)
        self._send(status, text.encode(self.ways.encoding), self.ways.content_type)

    def _send(
        self, status: int, body: bytes, content_type: str = "", *, location: str = ""
    ) -> None:
        is_page = body.lstrip().startswith(b"<")
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if is_page else content_type or "x/y")
        if location:
            self.send_header("Location", location)
        match self.ways.framing:
            case "close":
                self.send_header("Connection", "close")
                self.close_connection = True
            case "chunks" if status != 204:
                self.send_header("Transfer-Encoding", "chunked")
                self.send_header("Trailer", "X-Digest")
                pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
                body = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(one), one) for one in pieces)
                body += b"0\r\nX-Digest: abc\r\n\r\n"
            case _:
                self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


def _form(headers: Any, given: bytes) -> dict[str, str]:
    """Read multipart/form-data as mail is read."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    parts: Any = message_from_bytes(head + given).get_payload()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode()
        for part in parts
    }
