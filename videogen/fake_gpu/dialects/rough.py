"""A server of somebody's own that is only roughly like the others: every shape is another.

Ids are numbers, moments are texts, the words are its own, progress is null, errors are one text, a
create gives 201, a failed job comes with HTTP 500, the list is bare, and DELETE answers nothing.
"""

import uuid
from datetime import UTC, datetime
from typing import Any, Final

from videogen.fake_gpu.dialects import videos
from videogen.fake_gpu.dialects.dialect import Dialect
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

_WORDS: Final = {
    Phase.QUEUED: "pending",
    Phase.RUNNING: "running",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "error",
    Phase.CANCELED: "cancelled",
}
_LARGEST_ID: Final = 10**9


def _number() -> str:
    return str(uuid.uuid4().int % _LARGEST_ID)


def _read(server: Server, _encoding: Encoding, values: dict[str, Any]) -> Wanted:
    fields = Fields(values, status=400)
    return Wanted(
        prompt=fields.required("prompt"),
        model=fields.text("model") or server.options.model or "own",
        seconds=fields.number("seconds", 4.0),
        size=fields.size("832x480"),
    )


def _view(_server: Server, generation: Generation) -> dict[str, Any]:
    failure = generation.failure
    return {
        "id": int(generation.id),
        "object": "video",
        "status": videos.word(generation, _WORDS),
        "progress": videos.percent(generation),
        "created_at": datetime.fromtimestamp(generation.created_at, UTC).isoformat(),
        "error": failure.message if failure else None,
    }


def _pages(server: Server, _request: Request, _subject: str) -> Answer:
    return json_answer([_view(server, one) for one in server.gpu.known.values()])


def _content(server: Server, request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    if generation.phase is not Phase.SUCCEEDED:
        raise Refused(409, "There is no video yet.")
    return videos.send_clip(request, generation)


def _delete(server: Server, _request: Request, subject: str) -> Answer:
    videos.drop(server, server.find(subject))
    return Answer(status=204, subject=subject)


def _refuse(refusal: Refused) -> Answer:
    return json_answer({"error": refusal.message}, refusal.status)


DIALECT: Final = Dialect(
    name="rough",
    routes=videos.routes(
        create=videos.create(_read, _view, new_id=_number, status=201),
        show=videos.show(_view, failure_is_http=True),
        pages=_pages,
        content=_content,
        delete=_delete,
    ),
    refuse=_refuse,
    quirks={"null_progress": 1.0},
)
