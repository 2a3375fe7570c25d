"""What the servers of POST /v1/videos have in common: addresses, pages, content, progress."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from videogen.fake_gpu import clip, forms
from videogen.fake_gpu.dialects.dialect import Handler, Route, route
from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

Read = Callable[[Server, Encoding, dict[str, Any]], Wanted]
View = Callable[[Server, Generation], dict[str, Any]]

WORDS: Final[Mapping[Phase, str]] = {
    Phase.QUEUED: "queued",
    Phase.RUNNING: "in_progress",
    Phase.SUCCEEDED: "completed",
    Phase.FAILED: "failed",
    Phase.CANCELED: "failed",
}
_UNKNOWN_WORD: Final = "postprocessing"
_FAKED: Final = 90
_FAKED_SECONDS: Final = 5.0
_NO_FILE: Final = b"<!doctype html><title>Not found</title><p>The file is not on this server.\n"
_ID: Final = r"(?P<id>[^/]+)"


def new_id(prefix: str = "") -> str:
    """Make an id as most servers do."""
    return f"{prefix}{uuid.uuid4().hex}"


def routes(
    *, create: Handler, show: Handler, pages: Handler, content: Handler, delete: Handler
) -> tuple[Route, ...]:
    """Put the five addresses together."""
    return (
        route("POST", "/v1/videos", create, Place.SUBMIT),
        route("GET", "/v1/videos", pages),
        route("GET", f"/v1/videos/{_ID}", show, Place.POLL),
        route("DELETE", f"/v1/videos/{_ID}", delete, Place.DELETE),
        route("GET", f"/v1/videos/{_ID}/content", content, Place.CONTENT),
    )


def create(
    read: Read, view: View, *, new_id: Callable[[], str] = new_id, status: int = 200
) -> Handler:
    """Accept a create and answer with its first state."""

    def handle(server: Server, request: Request, _subject: str) -> Answer:
        encoding, values = forms.read(request)
        wanted = read(server, encoding, values)
        generation = server.accept(request, new_id(), wanted)
        return json_answer(view(server, generation), status, subject=generation.id)

    return handle


def show(view: View, *, failure_is_http: bool = False) -> Handler:
    """Answer a poll; some servers answer for a failed job with its error's HTTP status."""

    def handle(server: Server, _request: Request, subject: str) -> Answer:
        generation = server.find(subject)
        status = 200
        is_http = failure_is_http or "failed_as_500" in generation.faults
        if is_http and generation.phase is Phase.FAILED and generation.failure:
            status = generation.failure.status
        return json_answer(view(server, generation), status, subject=subject)

    return handle


def pages(
    view: View, *, limit: int | None, largest: int = 100, ordered: bool = True, least: int = 1
) -> Handler:
    """Answer a list: newest first, `after` an id; without a limit of its own it gives all."""

    def handle(server: Server, request: Request, _subject: str) -> Answer:
        known = list(server.gpu.known.values())
        if not ordered or request.query.get("order", "desc") == "desc":
            known.reverse()
        after = request.query.get("after")
        if after is not None:
            found = [number for number, one in enumerate(known) if one.id == after]
            known = known[found[0] + 1 :] if found else []
        given = request.query.get("limit", "")
        if given and not (given.isdecimal() and least <= int(given) <= largest):
            raise Refused(400, f"'limit' must be from {least} to {largest}.", param="limit")
        size = int(given) if given else (limit if limit is not None else len(known))
        data = [view(server, one) for one in known[:size]]
        return json_answer(
            {
                "object": "list",
                "data": data,
                "has_more": len(known) > size,
                "first_id": data[0]["id"] if data else None,
                "last_id": data[-1]["id"] if data else None,
            }
        )

    return handle


def send_clip(request: Request, generation: Generation) -> Answer:
    """Answer with the clip, or, when that fault struck, send the caller elsewhere."""
    if "no_result" in generation.faults:
        raise Refused(404, "The file of the video is missing.", code="not_found")
    if "empty_result" in generation.faults:
        return Answer(content_type="video/mp4", subject=generation.id)
    if "page_for_result" in generation.faults:
        return Answer(body=_NO_FILE, content_type="text/html", subject=generation.id)
    if generation.bad_url:
        headers = {"Location": generation.bad_url}
        return Answer(status=302, headers=headers, subject=generation.id)
    return clip.answer(request, generation.id)


def deleted(subject: str) -> Answer:
    """Confirm as the OpenAI API does."""
    return json_answer({"id": subject, "object": "video.deleted", "deleted": True}, subject=subject)


def stop_and_forget(server: Server, _request: Request, subject: str) -> Answer:
    """Stop the work, drop the record, confirm."""
    drop(server, server.find(subject))
    return deleted(subject)


def drop(server: Server, generation: Generation) -> None:
    """Stop the work and drop the record, unless the fault says that nothing happens."""
    if server.stop(generation):
        server.gpu.forget(generation)


def word(generation: Generation, words: Mapping[Phase, str] = WORDS) -> str:
    """Give the status in the dialect's words."""
    phase = generation.phase
    if phase is Phase.RUNNING and "unknown_status" in generation.faults:
        return _UNKNOWN_WORD
    if phase is Phase.QUEUED and "in_progress_while_queued" in generation.faults:
        return words[Phase.RUNNING]
    return words[phase]


def percent(generation: Generation) -> int | None:
    """Give the progress as the dialect shows it, 0 to 100."""
    if "null_progress" in generation.faults:
        return None
    if generation.phase is Phase.SUCCEEDED:
        return 100
    if "no_progress" in generation.faults:
        return 0
    if "faked_progress" in generation.faults:
        since = time.time() - generation.created_at
        return min(_FAKED, int(_FAKED * since / _FAKED_SECONDS))
    if "progress_falls" in generation.faults:
        return int(200 * generation.fraction()) % 100
    return int(100 * generation.fraction())


def whole_or_none(moment: float | None) -> int | None:
    """Give a Unix time in whole seconds."""
    return None if moment is None else int(moment)
