"""Aquiles-Image: the word "processing", a faked progress, 500 in plain text for a wrong field.

DELETE takes a waiting job out; a running one keeps its GPU. /content asks for no key.
"""

from dataclasses import replace
from typing import Any, Final

from videogen.fake_gpu.dialects import discovery, videos
from videogen.fake_gpu.dialects.dialect import Dialect
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.dialects.openai import SIZES
from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

_WORDS: Final = {**videos.WORDS, Phase.RUNNING: "processing"}
_DEFAULT_MODEL: Final = "wan2.2"
# Families that take a picture to begin with.
_WITH_IMAGE: Final = ("ltx", "minimax")
_BROKEN: Final = "validation"


def _read(server: Server, _encoding: Encoding, values: dict[str, Any]) -> Wanted:
    model = str(values.get("model") or server.options.model or _DEFAULT_MODEL)
    if "input_reference" in values and not any(name in model.lower() for name in _WITH_IMAGE):
        raise Refused(400, f"'{model}' does not support input_reference.")
    fields = Fields(values, status=500, code=_BROKEN)
    try:
        return Wanted(
            prompt=fields.required("prompt"),
            model=model,
            seconds=float(fields.whole("seconds", 4) if fields.text("seconds") else 4),
            size=fields.one_of("size", SIZES, "720x1280"),
            echo={"quality": fields.one_of("quality", {"standard", "hd"}, "standard")},
        )
    except Refused as refusal:
        raise Refused(500, refusal.message, code=_BROKEN, param=refusal.param) from None


def _view(_server: Server, generation: Generation) -> dict[str, Any]:
    wanted, failure = generation.wanted, generation.failure
    return {
        "id": generation.id,
        "object": "video",
        "model": wanted.model,
        "prompt": wanted.prompt,
        "status": videos.word(generation, _WORDS),
        "progress": videos.percent(generation),
        "created_at": int(generation.created_at),
        "size": wanted.size,
        "seconds": f"{wanted.seconds:g}",
        "quality": wanted.echo["quality"],
        "remixed_from_video_id": None,
        "completed_at": videos.whole_or_none(generation.ended_at),
        "expires_at": None,
        "error": {"code": "generation_error", "message": failure.message} if failure else None,
    }


def _content(server: Server, request: Request, subject: str) -> Answer:
    if subject not in server.gpu.known:
        raise Refused(500, "Internal Server Error", code=_BROKEN)
    generation = server.find(subject)
    if generation.phase is not Phase.SUCCEEDED:
        raise Refused(404, "Video is not ready")
    return videos.send_clip(request, generation)


def _delete(server: Server, _request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    if generation.phase is Phase.QUEUED and "cancel_ignored" not in generation.faults:
        server.gpu.cancel(generation)
    videos.drop(server, generation)
    return videos.deleted(subject)


def _refuse(refusal: Refused) -> Answer:
    if refusal.code == _BROKEN:
        body = b"Internal Server Error"
        return Answer(status=refusal.status, content_type="text/plain; charset=utf-8", body=body)
    return json_answer({"detail": refusal.message}, refusal.status)


_ROUTES: Final = videos.routes(
    create=videos.create(_read, _view),
    show=videos.show(_view),
    pages=videos.pages(_view, limit=20, ordered=False),
    content=_content,
    delete=_delete,
)

DIALECT: Final = Dialect(
    name="aquiles",
    routes=(
        discovery.health(status="ok", mode="video"),
        discovery.models(_DEFAULT_MODEL, owner="custom"),
        *(replace(route, is_open=route.place is Place.CONTENT) for route in _ROUTES),
    ),
    refuse=_refuse,
    quirks={"faked_progress": 1.0, "delete_frees_nothing": 1.0},
)
