"""Replicate's predictions: `Prefer: wait`, cancel instead of DELETE, result addresses that expire.

Progress stands only in the last line of the logs; webhooks carry the whole prediction.
"""

import asyncio
import contextlib
import re
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from videogen.fake_gpu import forms
from videogen.fake_gpu.dialects import videos
from videogen.fake_gpu.dialects.dialect import Dialect, route
from videogen.fake_gpu.dialects.fields import Fields
from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.generations import ENDED, Announce, Generation, Phase, Wanted
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Refused, Server

_WORDS: Final = {
    Phase.QUEUED: "starting",
    Phase.RUNNING: "processing",
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.CANCELED: "canceled",
}
_EVENTS: Final = frozenset({"start", "output", "logs", "completed"})
_LONGEST_WAIT: Final = 60
_PAGE: Final = 100
_STEPS: Final = 50


async def _create(server: Server, request: Request, _subject: str) -> Answer:
    _, values = forms.read(request)
    given = values.get("input")
    if not isinstance(given, dict):
        raise Refused(422, "- input is required", code="invalid_input", param="input")
    fields = Fields(given, status=422)
    fps = fields.whole("fps", 24, high=240)
    seconds = fields.number("duration", fields.number("seconds", 5.0))
    frames = fields.whole("num_frames", 0, low=0)
    named = re.fullmatch(r"/v1/(?:models|deployments)/([^/]+/[^/]+)/predictions", request.path)
    wanted = Wanted(
        prompt=fields.required("prompt"),
        model=named.group(1) if named else Fields(values, status=422).required("version"),
        seconds=frames / fps if frames else seconds,
        frames=frames or None,
        webhook_url=str(values.get("webhook") or ""),
        webhook_events=frozenset(values.get("webhook_events_filter") or _EVENTS),
        echo={"input": given, "version": values.get("version", "")},
    )
    generation = server.accept(request, uuid.uuid4().hex[:26], wanted)
    await _wait(generation, request.headers.get("prefer", ""))
    return json_answer(_view(server, generation), 201, subject=generation.id)


async def _wait(generation: Generation, preference: str) -> None:
    found = re.search(r"\bwait(?:=(\d+))?", preference)
    if found:
        patience = min(int(found.group(1) or _LONGEST_WAIT), _LONGEST_WAIT)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(generation.ended.wait(), patience)


def _view(server: Server, generation: Generation) -> dict[str, Any]:
    wanted = generation.wanted
    has_succeeded = generation.phase is Phase.SUCCEEDED
    ended_at, started_at = generation.ended_at, generation.started_at
    address = f"{server.url}/v1/predictions/{generation.id}"
    metrics = {"predict_time": ended_at - started_at} if ended_at and started_at else {}
    return {
        "id": generation.id,
        "model": wanted.model,
        "version": wanted.echo["version"] or "hidden",
        "input": wanted.echo["input"],
        "logs": _logs(generation),
        "output": server.result_url(generation) if has_succeeded else None,
        "data_removed": False,
        "error": generation.failure.message if generation.failure else None,
        "status": videos.word(generation, _WORDS),
        "created_at": _moment(generation.created_at),
        "started_at": _moment(started_at),
        "completed_at": _moment(ended_at),
        "urls": {"get": address, "cancel": f"{address}/cancel"},
        "metrics": metrics,
    }


def _logs(generation: Generation) -> str:
    done = videos.percent(generation)
    if generation.started_at is None or done is None:
        return ""
    step = done * _STEPS // 100
    return f"{done:3}%|{'#' * (done // 10):10}| {step}/{_STEPS} [00:00<00:00, 1.00it/s]\n"


def _moment(at: float | None) -> str | None:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z") if at else None


def _show(server: Server, _request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    is_http = "failed_as_500" in generation.faults and generation.phase is Phase.FAILED
    return json_answer(_view(server, generation), 500 if is_http else 200, subject=subject)


def _pages(server: Server, request: Request, _subject: str) -> Answer:
    known = list(reversed(server.gpu.known.values()))
    given = request.query.get("cursor", "0")
    start = int(given) if given.isdecimal() else 0
    address = f"{server.url}/v1/predictions?cursor="
    return json_answer(
        {
            "next": f"{address}{start + _PAGE}" if len(known) > start + _PAGE else None,
            "previous": f"{address}{max(0, start - _PAGE)}" if start else None,
            "results": [_view(server, one) for one in known[start : start + _PAGE]],
        }
    )


def _cancel(server: Server, _request: Request, subject: str) -> Answer:
    generation = server.find(subject)
    if generation.phase not in ENDED:
        server.stop(generation)
    return json_answer(_view(server, generation), subject=subject)


def _secret(server: Server, _request: Request, _subject: str) -> Answer:
    return json_answer({"key": server.webhook_secret})


def _account(_server: Server, _request: Request, _subject: str) -> Answer:
    return json_answer({"type": "organization", "username": "fake-gpu", "name": "Fake GPU"})


def _refuse(refusal: Refused) -> Answer:
    body = {"title": refusal.code or "Error", "detail": refusal.message, "status": refusal.status}
    return json_answer(body, refusal.status)


def _announce(server: Server) -> Announce:
    def say(generation: Generation, event: str) -> None:
        wanted = generation.wanted
        name = "completed" if event == "ended" else "start"
        if wanted.webhook_url and name in wanted.webhook_events:
            server.send(
                generation,
                message_id=f"msg_{generation.id}_{name}_{generation.phase}_{generation.output_number}",
                data=_view(server, generation),
                last=event == "ended",
            )

    return say


_ID: Final = r"(?P<id>[^/]+)"

DIALECT: Final = Dialect(
    name="replicate",
    routes=(
        route("POST", "/v1/predictions", _create, Place.SUBMIT),
        route("POST", "/v1/models/[^/]+/[^/]+/predictions", _create, Place.SUBMIT),
        route("POST", "/v1/deployments/[^/]+/[^/]+/predictions", _create, Place.SUBMIT),
        route("GET", "/v1/predictions", _pages),
        route("GET", f"/v1/predictions/{_ID}", _show, Place.POLL),
        route("POST", f"/v1/predictions/{_ID}/cancel", _cancel, Place.DELETE),
        route("GET", "/v1/account", _account, Place.HEALTH),
        route("GET", "/v1/webhooks/default/secret", _secret),
    ),
    refuse=_refuse,
    forgets_at_restart=False,
    announce=_announce,
)
