"""SGLang-Diffusion: seconds are an integer, errors have no code, DELETE drops only the record.

A `variant` must be the number of an output; with a cloud storage the result has its own address
and /content refuses with that address in the detail.
"""

from typing import Any, Final

from videogen.fake_gpu.dialects import discovery, videos
from videogen.fake_gpu.dialects.dialect import Dialect
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.forms import Encoding
from videogen.fake_gpu.generations import Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

_DEFAULT_MODEL: Final = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"


def _read(server: Server, _encoding: Encoding, values: dict[str, Any]) -> Wanted:
    fields = Fields(values, status=422)
    fields.json_text("extra_body")
    fields.json_text("extra_params")
    seconds, frames, fps = fields.length(default_seconds=4, fps=24)
    return Wanted(
        prompt=fields.required("prompt"),
        model=fields.text("model") or server.options.model or _DEFAULT_MODEL,
        seconds=seconds,
        frames=frames,
        fps=fps,
        size=fields.size("720x1280"),
    )


def _view(server: Server, generation: Generation) -> dict[str, Any]:
    wanted, failure = generation.wanted, generation.failure
    has_succeeded = generation.phase is Phase.SUCCEEDED
    url = _storage_url(server, generation) if has_succeeded else None
    return {
        "id": generation.id,
        "object": "video",
        "model": wanted.model,
        "status": videos.word(generation),
        "progress": videos.percent(generation),
        "created_at": int(generation.created_at),
        "size": wanted.size,
        "seconds": f"{wanted.seconds:g}",
        "quality": "standard",
        "url": url,
        "urls": [url] if url else None,
        "remixed_from_video_id": None,
        "completed_at": videos.whole_or_none(generation.ended_at),
        "expires_at": None,
        "error": {"message": failure.message} if failure else None,
        "file_path": f"outputs/{generation.id}.mp4" if has_succeeded else None,
        "num_outputs": 1,
        "inference_time_s": round(generation.duration, 3) if has_succeeded else None,
        "peak_memory_mb": 61_440.0 if has_succeeded else None,
    }


def _storage_url(server: Server, generation: Generation) -> str | None:
    is_stored_away = generation.bad_url or "result_by_url" in generation.faults
    return server.result_url(generation) if is_stored_away else None


def _content(server: Server, request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    if generation.phase is not Phase.SUCCEEDED:
        raise Refused(404, "Video is not ready")
    if request.query.get("variant", "0") != "0":
        raise Refused(404, "Video variant not found")
    if url := _storage_url(server, generation):
        raise Refused(400, f"Video is stored at {url}")
    return videos.send_clip(request, generation)


def _delete(server: Server, _request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    videos.drop(server, generation)
    return json_answer({**_view(server, generation), "status": "deleted"}, subject=subject)


def _refuse(refusal: Refused) -> Answer:
    return json_answer({"detail": refusal.message}, refusal.status)


DIALECT: Final = Dialect(
    name="sglang",
    routes=(
        discovery.health(status="ok"),
        discovery.models(_DEFAULT_MODEL, owner="sglang", num_gpus=1, task_type="T2V"),
        *videos.routes(
            create=videos.create(_read, _view),
            show=videos.show(_view),
            pages=videos.pages(_view, limit=20),
            content=_content,
            delete=_delete,
        ),
    ),
    refuse=_refuse,
    quirks={"delete_frees_nothing": 1.0},
)
