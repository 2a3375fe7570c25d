"""The command follows a job by the server's stream, sends secrets to one server only, and lives with outages."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from videogen_cli import following
from videogen_cli.client import Client
from videogen_cli.credentials import Credentials
from videogen_cli.exits import Exit, Failure
from videogen_cli.screen import Screen

KEY = "vg_secret"
JOB: dict[str, Any] = {
    "id": "j1",
    "state": "running",
    "progress": 10,
    "waiting": None,
    "finished_at": None,
    "cancel_requested_at": None,
    "credits": {"charged": 0},
}
DONE = {**JOB, "state": "succeeded", "progress": 100, "finished_at": "2030-01-01T00:00:00Z"}


class Place(ThreadingHTTPServer):
    """A server that answers what a test tells it to, and remembers what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[tuple[int, dict[str, str], bytes]]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def says(self, path: str, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers[path] = list(answers)


class _Handler(BaseHTTPRequestHandler):
    server: Place

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        answers = self.server.answers.get(self.path.partition("?")[0], [(404, {}, b"{}")])
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, Place]]:
    monkeypatch.setattr(following, "_ASK_EVERY", 0.01)
    both = Place(), Place()
    yield both
    for place in both:
        place.shutdown()
        place.server_close()


def _json(job: dict[str, Any], **headers: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json", **headers}, json.dumps(job).encode()


def _stream(*events: tuple[str, Any]) -> tuple[int, dict[str, str], bytes]:
    text = ": hello\n\nretry: 2000\n\n" + "".join(
        f"id: 1\nevent: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events
    )
    return 200, {"Content-Type": "text/event-stream; charset=utf-8"}, text.encode()


def _followed(place: Place) -> tuple[dict[str, Any], list[int]]:
    shown: list[int] = []
    client = Client(Credentials(url=place.url, key=KEY))
    job = following.follow(client, "j1", show=lambda job: shown.append(job["progress"]))
    return job, shown


def test_a_stream_on_another_origin_is_followed_without_the_key(
    places: tuple[Place, Place],
) -> None:
    web, push = places
    web.says("/api/v1/jobs/j1", _json(JOB))
    there = {"Location": f"{push.url}/api/v1/jobs/j1/events?ticket=t"}
    web.says("/api/v1/jobs/j1/events", (307, there, b""))
    progress = {"job_id": "j1", "attempt": 1, "percent": 55}
    push.says(
        "/api/v1/jobs/j1/events", _stream(("job", JOB), ("progress", progress), ("job", DONE))
    )

    job, shown = _followed(web)

    assert job == DONE
    assert shown == [10, 10, 55, 100]
    ((path, headers),) = push.seen
    assert path.endswith("?ticket=t")
    assert "authorization" not in headers
    assert headers["accept"] == "text/event-stream"
    assert all(sent["authorization"] == f"Bearer {KEY}" for _, sent in web.seen)


def test_a_stream_that_is_cut_is_taken_up_again(places: tuple[Place, Place]) -> None:
    web, _ = places
    web.says("/api/v1/jobs/j1", _json(JOB))
    web.says("/api/v1/jobs/j1/events", _stream(("job", JOB)), _stream(("job", DONE)))

    assert _followed(web)[0] == DONE


def test_without_streams_it_asks_with_the_tag_of_the_last_answer(
    places: tuple[Place, Place],
) -> None:
    web, _ = places
    unchanged: tuple[int, dict[str, str], bytes] = (304, {"ETag": '"a"'}, b"")
    web.says("/api/v1/jobs/j1", _json(JOB), _json(JOB, ETag='"a"'), unchanged, _json(DONE))

    job, shown = _followed(web)

    assert job == DONE
    assert shown == [10, 100]
    assert [sent.get("if-none-match") for path, sent in web.seen if path.endswith("j1")] == [
        None,
        None,
        '"a"',
        '"a"',
    ]


def test_a_server_at_fault_is_waited_for_and_a_revoked_key_is_not(
    places: tuple[Place, Place],
) -> None:
    web, _ = places
    web.says("/api/v1/jobs/j1", _json(JOB))
    broken: tuple[int, dict[str, str], bytes] = (500, {}, b"oops")
    web.says("/api/v1/jobs/j1/events", broken, broken, _stream(("job", DONE)))
    assert _followed(web)[0] == DONE

    web.says("/api/v1/jobs/j1/events", _stream(("refused", {"code": "not_authenticated"})))
    with pytest.raises(Failure) as refused:
        _followed(web)
    assert refused.value.code is Exit.NOT_ALLOWED


def test_a_terminal_sees_one_line_that_changes_and_a_file_sees_lines() -> None:
    class Live(io.StringIO):
        def isatty(self) -> bool:
            return True

    live, file = Live(), io.StringIO()
    for stream in (live, file):
        screen = Screen(is_quiet=False, stream=stream)
        for percent in (10, 12, 55, 55):
            screen.show({**JOB, "progress": percent})
        screen.show(DONE)

    assert file.getvalue().splitlines() == ["Running 0 %", "Running 50 %", "Ready"]
    assert live.getvalue().count("\n") == 1
    assert "█" in live.getvalue()
    assert " 55 %" in live.getvalue()
