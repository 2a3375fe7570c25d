"""fal's queue: submit, status, response and cancel have addresses of their own, given by the submit.

COMPLETED may mean failed. Webhooks are signed with Ed25519; the key set is served beside them.
"""

import uuid
from typing import Any, Final

from videogen.fake_gpu import clip, forms
from videogen.fake_gpu.dialects import videos
from videogen.fake_gpu.dialects.dialect import Dialect, open_route, route
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.generations import ENDED, Announce, Failure, Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server
from videogen.fake_gpu.signing import FalSignature

_WORDS: Final = {
    Phase.QUEUED: "IN_QUEUE",
    Phase.RUNNING: "IN_PROGRESS",
    Phase.SUCCEEDED: "COMPLETED",
    Phase.FAILED: "COMPLETED",
    Phase.CANCELED: "COMPLETED",
}
_USER_ID: Final = "fake-gpu-user"
_CANCELED: Final = Failure(status=499, code="request_cancelled", message="Request was cancelled.")


def _create(server: Server, request: Request, _subject: str) -> Answer:
    _, values = forms.read(request)
    fields = Fields(values, status=422)
    fps = fields.whole("frames_per_second", fields.whole("fps", 24, high=240), high=240)
    frames = fields.whole("num_frames", 0, low=0)
    wanted = Wanted(
        prompt=fields.required("prompt"),
        # A path below the app is dropped from the addresses of its requests.
        model="/".join(request.path.strip("/").split("/")[:2]),
        seconds=frames / fps if frames else fields.number("duration", 5.0),
        frames=frames or None,
        fps=fps,
        webhook_url=request.query.get("fal_webhook", ""),
        echo={"seed": fields.whole("seed", 0, low=0, high=2**63)},
    )
    generation = server.accept(request, str(uuid.uuid4()), wanted)
    return json_answer(
        {
            "request_id": generation.id,
            "gateway_request_id": generation.id,
            **_addresses(server, generation),
            **_place(server, generation),
        },
        subject=generation.id,
        headers={"x-fal-request-id": generation.id},
    )


def _addresses(server: Server, generation: Generation) -> dict[str, str]:
    address = f"{server.url}/{generation.wanted.model}/requests/{generation.id}"
    return {
        "response_url": address,
        "status_url": f"{address}/status",
        "cancel_url": f"{address}/cancel",
    }


def _place(server: Server, generation: Generation) -> dict[str, Any]:
    found: dict[str, Any] = {"status": videos.word(generation, _WORDS)}
    if generation in server.gpu.waiting:
        found["queue_position"] = server.gpu.waiting.index(generation)
    return found


def _failure(generation: Generation) -> Failure | None:
    return _CANCELED if generation.phase is Phase.CANCELED else generation.failure


def _show(server: Server, request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    found = {
        **_place(server, generation),
        "request_id": subject,
        **_addresses(server, generation),
    }
    if request.query.get("logs") == "1":
        found["logs"] = []
    failure = _failure(generation)
    if failure:
        found |= {"error": failure.message, "error_type": failure.code}
    if generation.phase in ENDED:
        found["metrics"] = {"inference_time": round(generation.duration, 3)}
    is_http = "failed_as_500" in generation.faults and generation.phase is Phase.FAILED
    return json_answer(found, 500 if is_http else 200, subject=subject)


def _response(server: Server, _request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    failure = _failure(generation)
    if failure:
        raise Refused(422 if failure.status < 500 else 500, failure.message, code=failure.code)  # noqa: PLR2004
    if generation.phase is not Phase.SUCCEEDED:
        raise Refused(400, "Request is still in progress", code="in_progress")
    return json_answer(_payload(server, generation), subject=subject)


def _payload(server: Server, generation: Generation) -> dict[str, Any]:
    url = server.result_url(generation)
    video = {
        "url": url,
        "content_type": "video/mp4",
        "file_name": "video.mp4",
        "file_size": len(clip.of(generation.id)),
    }
    return {"video": video if url else None, "seed": generation.wanted.echo["seed"]}


def _cancel(server: Server, _request: Request, subject: str) -> Answer:
    generation = server.gpu.known.get(subject)
    if generation is None:
        return json_answer({"status": "NOT_FOUND"}, 404)
    if generation.phase in ENDED:
        return json_answer({"status": "ALREADY_COMPLETED"}, 400, subject=subject)
    server.stop(generation)
    return json_answer({"status": "CANCELLATION_REQUESTED"}, 202, subject=subject)


def _refuse(refusal: Refused) -> Answer:
    detail: Any = refusal.message
    if refusal.param:
        location = ["body", refusal.param]
        detail = [{"loc": location, "msg": refusal.message, "type": "value_error"}]
    headers = {"x-fal-error-type": refusal.code} if refusal.code else {}
    return json_answer({"detail": detail}, refusal.status, headers=headers)


def _announce(server: Server) -> Announce:
    def say(generation: Generation, event: str) -> None:
        if event != "ended" or not generation.wanted.webhook_url:
            return
        failure = _failure(generation)
        data: dict[str, Any] = {
            "request_id": generation.id,
            "gateway_request_id": generation.id,
            "status": "ERROR" if failure else "OK",
            "payload": None if failure else _payload(server, generation),
        }
        if failure:
            data["error"] = failure.message
        server.send(generation, message_id=generation.id, data=data)

    return say


def _signature(secret: str) -> FalSignature:
    return FalSignature(secret, user_id=_USER_ID)


def _key_set(server: Server, _request: Request, _subject: str) -> Answer:
    return json_answer(_signature(server.webhook_secret).key_set())


_APP: Final = r"/[\w.-]+/[\w.-]+"
_REQUEST: Final = rf"{_APP}/requests/(?P<id>[\w-]+)"

DIALECT: Final = Dialect(
    name="fal",
    routes=(
        open_route("GET", r"/\.well-known/jwks\.json", _key_set),
        route("GET", f"{_REQUEST}/status", _show, Place.POLL),
        route("PUT", f"{_REQUEST}/cancel", _cancel, Place.DELETE),
        route("GET", _REQUEST, _response, Place.CONTENT),
        route("POST", rf"{_APP}(?:/[\w./-]+)?", _create, Place.SUBMIT),
    ),
    refuse=_refuse,
    forgets_at_restart=False,
    key_scheme="Key",
    announce=_announce,
    signature=_signature,
)
