"""Following a job to its end: by the server's event stream where it has one, else by asking with the ETag."""

import json
import time
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from typing import Any, Final

from videogen_cli.client import Client, pieces
from videogen_cli.exits import Exit, Failure

Job = dict[str, Any]

_TERMINAL: Final = frozenset({"succeeded", "failed", "canceled", "expired"})
_STREAM: Final = "text/event-stream"
_ASK_EVERY: Final = 1.0
# The stream says something every 15 s; silence for longer means that it is gone.
_SILENCE: Final = 40.0
# The server may be away for so long before we give up, seconds; the job goes on there.
_AWAY: Final = 120.0


def follow(client: Client, job_id: str, *, show: Callable[[Job], None]) -> Job:
    """Show every change until the job has ended; give it as it ended."""
    job = _asked(client, job_id)
    show(job)
    away_since = 0.0
    while job["state"] not in _TERMINAL:
        try:
            job = _streamed(client, job_id, job, show=show)
            away_since = 0.0
        except Failure as failure:
            if failure.code is not Exit.UNAVAILABLE:
                raise
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > _AWAY:
                raise
            time.sleep(_ASK_EVERY)
    return job


def has_ended(job: Job) -> bool:
    """Say whether nothing more will change."""
    return job["state"] in _TERMINAL


def _streamed(client: Client, job_id: str, job: Job, *, show: Callable[[Job], None]) -> Job:
    address = client.address(f"jobs/{job_id}/events")
    try:
        answer = client.open(address, accept=_STREAM, patience=_SILENCE)
    except Failure as failure:
        # A server without streams.
        if failure.code in {Exit.NOT_FOUND, Exit.REFUSED}:
            return _polled(client, job_id, job, show=show)
        raise
    with answer:
        if not answer.headers.get("Content-Type", "").startswith(_STREAM):
            return _polled(client, job_id, job, show=show)
        for name, data in _events(answer):
            if (changed := _changed(job, name, data)) is not None:
                job = changed
                show(job)
            if has_ended(job):
                return job
    # A stream that closed may have been cut before its end.
    job = _asked(client, job_id)
    show(job)
    return job


def _changed(job: Job, name: str, data: Any) -> Job | None:
    match name:
        case "job":
            found: Job = data
            return found
        case "progress":
            return {**job, "progress": data["percent"]}
        case "refused":
            raise Failure(Exit.NOT_ALLOWED, "The key or session has ended. Sign in again.")
        case _:
            return None


def _events(answer: HTTPResponse) -> Iterator[tuple[str, Any]]:
    name, data = "message", ""
    for line in pieces(answer, of_lines=True):
        text = line.decode("utf-8").rstrip("\r\n")
        if not text:
            if data:
                yield name, json.loads(data)
            name, data = "message", ""
        elif text.startswith("event:"):
            name = text[6:].strip()
        elif text.startswith("data:"):
            data += text[5:].strip()


def _polled(client: Client, job_id: str, job: Job, *, show: Callable[[Job], None]) -> Job:
    etag = ""
    while not has_ended(job):
        time.sleep(_ASK_EVERY)
        found, etag = client.get(f"jobs/{job_id}", etag=etag)
        if found is not None and found != job:
            job = found
            show(job)
    return job


def _asked(client: Client, job_id: str) -> Job:
    found: Job = client.get(f"jobs/{job_id}")[0]
    return found
