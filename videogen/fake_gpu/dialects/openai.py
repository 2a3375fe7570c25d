"""The hosted OpenAI Videos API, strictly: four words, few values, unknown fields refused.

It remembers over restarts, deletes only what has ended, and sends thin Standard Webhooks to one
address for all videos.
"""

import time
import uuid
from functools import partial
from typing import Any, Final

from videogen.fake_gpu.dialects import discovery, videos
from videogen.fake_gpu.dialects.dialect import Dialect
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import ENDED, Announce, Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

SIZES: Final = frozenset({"720x1280", "1280x720", "1024x1792", "1792x1024"})
_MODELS: Final = ("sora-2", "sora-2-pro")
_SECONDS: Final = frozenset({"4", "8", "12"})
_KNOWN: Final = frozenset({"prompt", "model", "seconds", "size", "input_reference"})
_KEPT_SECONDS: Final = 3600


def _read(server: Server, encoding: Encoding, values: dict[str, Any]) -> Wanted:
    fields = Fields(values, status=400, code="invalid_request")
    if encoding is Encoding.NONE:
        raise Refused(415, "Unsupported content type.", code="unsupported_content_type")
    fields.refuse_unknown(_KNOWN, code="unknown_parameter")
    served = {server.options.model} if server.options.model else set(_MODELS)
    return Wanted(
        prompt=fields.required("prompt"),
        model=fields.one_of("model", served, min(served)),
        seconds=float(fields.one_of("seconds", _SECONDS, "4")),
        size=fields.one_of("size", SIZES, "720x1280"),
    )


def _view(_server: Server, generation: Generation) -> dict[str, Any]:
    wanted, failure = generation.wanted, generation.failure
    ended_at = videos.whole_or_none(generation.ended_at)
    has_succeeded = generation.phase is Phase.SUCCEEDED
    return {
        "id": generation.id,
        "object": "video",
        "created_at": int(generation.created_at),
        "status": videos.word(generation),
        "model": wanted.model,
        "progress": videos.percent(generation),
        "prompt": wanted.prompt,
        "seconds": str(int(wanted.seconds)),
        "size": wanted.size,
        "completed_at": ended_at if has_succeeded else None,
        "expires_at": ended_at + _KEPT_SECONDS if ended_at and has_succeeded else None,
        "remixed_from_video_id": None,
        "error": {"code": failure.code, "message": failure.message} if failure else None,
    }


def _content(server: Server, request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    variant = request.query.get("variant", "video")
    if variant != "video" or generation.phase is not Phase.SUCCEEDED:
        raise Refused(404, f"The {variant} of this job does not exist.", code="not_ready")
    return videos.send_clip(request, generation)


def _delete(server: Server, request: Request, subject: str) -> Answer:
    if server.find(subject).phase not in ENDED:
        message = "Only a completed or failed video can be deleted."
        headers = {"x-should-retry": "false"}
        raise Refused(409, message, code="video_in_progress", headers=headers)
    return videos.stop_and_forget(server, request, subject)


def refuse(refusal: Refused) -> Answer:
    """Answer with the error object of the OpenAI API."""
    kind = "server_error" if refusal.status >= 500 else "invalid_request_error"  # noqa: PLR2004
    error = {
        "message": refusal.message,
        "type": kind,
        "param": refusal.param,
        "code": refusal.code or None,
    }
    return json_answer({"error": error}, refusal.status)


def _announce(server: Server) -> Announce:
    def say(generation: Generation, event: str) -> None:
        kinds = {Phase.SUCCEEDED: "video.completed", Phase.FAILED: "video.failed"}
        if event != "ended" or generation.phase not in kinds or not server.options.webhook_url:
            return
        data = {
            "id": f"evt_{uuid.uuid4().hex}",
            "object": "event",
            "created_at": int(time.time()),
            "type": kinds[generation.phase],
            "data": {"id": generation.id},
        }
        message_id = f"wh_{uuid.uuid4().hex}"
        server.send(generation, message_id=message_id, data=data, url=server.options.webhook_url)

    return say


DIALECT: Final = Dialect(
    name="openai",
    routes=(
        discovery.models(*_MODELS, owner="openai"),
        *videos.routes(
            create=videos.create(_read, _view, new_id=partial(videos.new_id, "video_")),
            show=videos.show(_view),
            pages=videos.pages(_view, limit=20),
            content=_content,
            delete=_delete,
        ),
    ),
    refuse=refuse,
    forgets_at_restart=False,
    announce=_announce,
)
