"""TensorRT-LLM VisualGen: 202 for a create, `queued` until the end, no progress, an error of text.

The length is shown as `duration`, unknown fields are refused with 422, the list has no pages, and
DELETE ends the waiting for the engine, not its work. Source: tensorrt_llm/serve/openai_video_routes.py.
"""

from functools import partial
from typing import Any, Final

from videogen.fake_gpu.dialects import discovery, videos
from videogen.fake_gpu.dialects.dialect import Dialect
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

_DEFAULT_MODEL: Final = "visual-gen"
_WORDS: Final = {**videos.WORDS, Phase.RUNNING: "queued"}
_KNOWN: Final = frozenset({
    "prompt", "model", "seconds", "size", "width", "height", "num_frames", "fps", "frame_rate",
    "seed", "negative_prompt", "num_inference_steps", "guidance_scale", "guidance_rescale",
    "max_sequence_length", "extra_params", "input_reference", "response_format", "format", "n",
})  # fmt: skip
_TYPES: Final = {404: "NotFoundError", 500: "InternalServerError"}


def _read(server: Server, encoding: Encoding, values: dict[str, Any]) -> Wanted:
    if encoding is Encoding.NONE:
        raise Refused(400, "Unsupported content-type.")
    fields = Fields(values, status=422)
    fields.refuse_unknown(_KNOWN)
    if fields.has("width") != fields.has("height"):
        raise fields.refuse("width", "width and height must be sent together")
    fields.json_text("extra_params")
    fps = fields.whole("fps", 24, high=240)
    seconds = fields.number("seconds", 4.0)
    frames = fields.whole("num_frames", round(seconds * fps))
    return Wanted(
        prompt=fields.required("prompt"),
        model=fields.text("model") or server.options.model or _DEFAULT_MODEL,
        seconds=frames / fps,
        frames=frames,
        fps=fps,
        size=fields.size("1280x720"),
    )


def _view(_server: Server, generation: Generation) -> dict[str, Any]:
    wanted = generation.wanted
    return {
        "completed_at": videos.whole_or_none(generation.ended_at),
        "created_at": int(generation.created_at),
        "error": generation.failure.message if generation.failure else None,
        "expires_at": None,
        "id": generation.id,
        "model": wanted.model,
        "object": "video",
        "progress": videos.percent(generation),
        "prompt": wanted.prompt,
        "status": videos.word(generation, _WORDS),
        "duration": wanted.seconds,
        "fps": wanted.fps,
        "size": wanted.size,
    }


def _pages(server: Server, _request: Request, _subject: str) -> Answer:
    data = [_view(server, one) for one in server.gpu.known.values()]
    return json_answer({"object": "list", "data": data})


def _content(server: Server, request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    if generation.phase is not Phase.SUCCEEDED:
        status = videos.word(generation, _WORDS)
        raise Refused(400, f"Video {subject} is not ready (status: {status})")
    return videos.send_clip(request, generation)


def _delete(server: Server, request: Request, subject: str) -> Answer:
    videos.stop_and_forget(server, request, subject)
    return json_answer({"deleted": True}, subject=subject)


def _refuse(refusal: Refused) -> Answer:
    body = {
        "object": "error",
        "message": refusal.message,
        "type": _TYPES.get(refusal.status, "BadRequestError"),
        "param": refusal.param,
        "code": refusal.status,
    }
    return json_answer(body, refusal.status)


DIALECT: Final = Dialect(
    name="trtllm_visualgen",
    routes=(
        discovery.health(),
        discovery.models(_DEFAULT_MODEL, owner="tensorrt_llm"),
        *videos.routes(
            create=videos.create(_read, _view, new_id=partial(videos.new_id, "video_"), status=202),
            show=videos.show(_view),
            pages=_pages,
            content=_content,
            delete=_delete,
        ),
    ),
    refuse=_refuse,
    quirks={"null_progress": 1.0, "delete_frees_nothing": 1.0},
)
