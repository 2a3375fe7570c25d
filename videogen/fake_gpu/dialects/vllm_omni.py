"""vLLM-Omni: creates by form only, frames rather than seconds, a failed job as an HTTP error.

DELETE aborts the engine. Error codes are integers, progress is 0 until the end, and a waiting job
may be shown as running (vllm-omni issue 6403). /v1/videos/sync answers with the video itself.
"""

import asyncio
from functools import partial
from typing import Any, Final

from videogen.fake_gpu import forms
from videogen.fake_gpu.dialects import discovery, videos
from videogen.fake_gpu.dialects.dialect import Dialect, route
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

_DEFAULT_MODEL: Final = "Wan-AI/Wan2.2-T2V-A14B-Diffusers"
_PREFIX: Final = "video_gen_"
_PEAK_MEGABYTES: Final = 61_440.0
# The server's own limit for a create that waits for its video.
_SYNC_SECONDS: Final = 600.0
_TYPES: Final = {400: "BadRequestError", 404: "NotFoundError", 422: "UnprocessableEntityError"}


def _read(server: Server, encoding: Encoding, values: dict[str, Any]) -> Wanted:
    # A JSON body has no form fields: its prompt is missing.
    fields = Fields(values if encoding is Encoding.FORM else {}, status=400)
    prompt = fields.required("prompt")
    model = fields.text("model") or server.options.model or _DEFAULT_MODEL
    if server.options.model and model != server.options.model:
        raise Refused(400, f"Model mismatch: '{model}' is not served.", code="model_mismatch")
    fields.whole("num_inference_steps", 40, high=200)
    fields.json_text("lora")
    fields.json_text("extra_params")
    seconds, frames, fps = fields.length(default_seconds=4, fps=24)
    return Wanted(
        prompt=prompt,
        model=model,
        seconds=seconds,
        frames=frames,
        fps=fps,
        size=fields.size("1280x720"),
    )


def _view(_server: Server, generation: Generation) -> dict[str, Any]:
    wanted, failure = generation.wanted, generation.failure
    has_succeeded = generation.phase is Phase.SUCCEEDED
    return {
        "id": generation.id,
        "object": "video",
        "created_at": int(generation.created_at),
        "status": videos.word(generation),
        "model": wanted.model,
        "progress": videos.percent(generation),
        "prompt": wanted.prompt,
        "seconds": f"{wanted.seconds:g}",
        "size": wanted.size,
        "num_frames": wanted.frames,
        "fps": wanted.fps,
        "completed_at": videos.whole_or_none(generation.ended_at),
        "expires_at": None,
        "remixed_from_video_id": None,
        "error": {"code": failure.status, "message": failure.message} if failure else None,
        "file_name": f"{generation.id}.mp4" if has_succeeded else None,
        "media_type": "video/mp4" if has_succeeded else None,
        "inference_time_s": round(generation.duration, 3) if has_succeeded else None,
        "peak_memory_mb": _PEAK_MEGABYTES if has_succeeded else None,
    }


async def _create_and_wait(server: Server, request: Request, _subject: str) -> Answer:
    wanted = _read(server, *forms.read(request))
    generation = server.accept(request, videos.new_id(_PREFIX), wanted)
    try:
        async with asyncio.timeout(_SYNC_SECONDS):
            await generation.ended.wait()
    except TimeoutError:
        raise Refused(504, "The generation timed out.") from None
    if generation.failure:
        raise Refused(generation.failure.status, generation.failure.message)
    if generation.phase is not Phase.SUCCEEDED:
        return Answer(dropped=True)
    answer = videos.send_clip(request, generation)
    answer.headers |= {
        "X-Model": wanted.model,
        "X-Inference-Time-S": f"{generation.duration:.3f}",
        "X-Peak-Memory-MB": f"{_PEAK_MEGABYTES:.0f}",
    }
    return answer


def _content(server: Server, request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    if generation.phase is Phase.FAILED:
        raise Refused(422, "The generation failed.")
    if generation.phase is not Phase.SUCCEEDED:
        raise Refused(404, "The video is not ready.")
    return videos.send_clip(request, generation)


def _refuse(refusal: Refused) -> Answer:
    error = {
        "message": refusal.message,
        "type": _TYPES.get(refusal.status, "InternalServerError"),
        "param": refusal.param,
        "code": refusal.status,
    }
    return json_answer({"error": error}, refusal.status)


DIALECT: Final = Dialect(
    name="vllm_omni",
    routes=(
        discovery.health(),
        route("POST", "/v1/videos/sync", _create_and_wait, Place.SUBMIT),
        discovery.models(_DEFAULT_MODEL, owner="vllm"),
        *videos.routes(
            create=videos.create(_read, _view, new_id=partial(videos.new_id, _PREFIX)),
            show=videos.show(_view, failure_is_http=True),
            pages=videos.pages(_view, limit=None, least=0),
            content=_content,
            delete=videos.stop_and_forget,
        ),
    ),
    refuse=_refuse,
    quirks={"no_progress": 1.0, "in_progress_while_queued": 1.0},
)
