"""One GPU server behind its dialect: it accepts, remembers, restarts."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from random import Random
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from videogen.fake_gpu import forms
from videogen.fake_gpu.faults import Faults
from videogen.fake_gpu.generations import ENDED, Announce, Failure, Generation, Gpu, Wanted
from videogen.fake_gpu.http import Request
from videogen.fake_gpu.journal import Journal
from videogen.fake_gpu.options import Options
from videogen.fake_gpu.signing import Sign
from videogen.fake_gpu.tally import Tally
from videogen.fake_gpu.webhooks import Webhooks

_SLOW_TIMES: Final = 10
_LONGEST_NOTE: Final = 1000
_OUT_OF_MEMORY: Final = Failure(status=500, code="generation_error", message="CUDA out of memory.")
REFUSED_CONTENT: Final = Failure(
    status=400, code="moderation_blocked", message="The request was refused by the content filter."
)
# What must not be fetched: an internal address, a file, nobody.
_BAD_URLS: Final = (
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "http://127.0.0.1:1/video.mp4",
)


class Refused(Exception):
    """A request that is answered with an error, in the words of the dialect."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.headers = headers or {}


class Server:
    """What the dialects work on."""

    def __init__(
        self,
        options: Options,
        *,
        url: str,
        secret: str,
        quirks: Mapping[str, float],
        forgets: bool,
        announce: Callable[["Server"], Announce],
        signature: Callable[[str], Sign],
    ) -> None:
        self.options = options
        # Its own address, as results and webhooks name it.
        self.url = url
        self.journal = Journal(options.journal, node=options.node)
        self.tally = Tally()
        self._forgets = forgets
        self.faults = Faults(options.seed, {**quirks, **options.fault})
        self.webhook_secret = secret
        self.webhooks = Webhooks(
            self.journal, signature(self.webhook_secret), late_seconds=options.late_seconds
        )
        self.gpu = Gpu(options.slots, self.journal, announce(self))
        # Since the last start, where ids are counted.
        self._count = 0
        self._times = Random(f"{options.seed}/times")  # noqa: S311 - must repeat
        self._addresses = Random(f"{options.seed}/addresses")  # noqa: S311 - must repeat

    def accept(self, request: Request, backend_id: str, wanted: Wanted) -> Generation:
        """Take an order in: throw the dice, write it down, start or queue it."""
        if self.options.counted_ids:
            self._count += 1
            backend_id = str(self._count)
        struck = self.faults.of_generation()
        spread = self._times.lognormvariate(0, self.options.jitter)
        duration = wanted.seconds * self.options.speed * spread
        generation = Generation(
            id=backend_id,
            wanted=wanted,
            duration=duration * (_SLOW_TIMES if "slow" in struck else 1),
            planned_failure=planned_failure(struck),
            faults=struck,
            created_at=time.time(),
            bad_url=self._addresses.choice(_BAD_URLS) if "bad_result_url" in struck else "",
        )
        self.journal.write("submitted", backend_id, **_described(request, generation))
        self.gpu.submit(generation)
        return generation

    def find(self, backend_id: str) -> Generation:
        """Give a generation that is known. Raises Refused."""
        found = self.gpu.known.get(backend_id)
        if found is None:
            raise Refused(404, f"Video with id '{backend_id}' not found.", code="not_found")
        return found

    def stop(self, generation: Generation) -> bool:
        """Cancel for good, or, when those faults struck, only in words; False if nothing changed."""
        if "cancel_ignored" in generation.faults and generation.phase not in ENDED:
            self.journal.write("fault", generation.id, name="cancel_ignored")
            return False
        if "delete_frees_nothing" in generation.faults:
            self.gpu.abandon(generation)
        else:
            self.gpu.cancel(generation)
        return True

    def restart(self) -> None:
        """Lose what a restart of this kind of server loses, and go on."""
        self.journal.write("restarted", forgets=self._forgets)
        if self._forgets:
            self._count = 0
            self.gpu.lose_everything()

    def result_url(self, generation: Generation) -> str | None:
        """Give the address of a result that lies outside the dialect's own routes, if there is one."""
        if "no_result" in generation.faults:
            return None
        if generation.bad_url:
            return generation.bad_url
        return f"{self.url}/_files/{generation.id}/{generation.output_number}/video.mp4"

    def send(
        self,
        generation: Generation,
        *,
        message_id: str,
        data: Any,
        last: bool = True,
        url: str = "",
    ) -> None:
        """Send a webhook to the generation's address, or to the given one."""
        self.webhooks.send(
            generation,
            url=url or generation.wanted.webhook_url,
            body=json.dumps(data).encode(),
            message_id=message_id,
            last=last,
        )


def planned_failure(struck: frozenset[str]) -> Failure | None:
    """Say how a generation with these faults fails, if it does."""
    if "refused_content" in struck:
        return REFUSED_CONTENT
    return _OUT_OF_MEMORY if {"failure", "failed_as_500"} & struck else None


def _described(request: Request, generation: Generation) -> dict[str, Any]:
    wanted = generation.wanted
    key = request.headers.get("idempotency-key", "")
    tag = request.headers.get("x-client-request-id", "")
    carried = parse_qs(urlsplit(wanted.webhook_url).query).get("token", [""])[0]
    return {
        # Whatever names the caller's attempt: its key, its tag, or what its webhook address carries.
        "token": key or tag or carried,
        "idempotency_key": key,
        "client_tag": tag,
        "prompt": wanted.prompt[:_LONGEST_NOTE],
        "model": wanted.model,
        "seconds": wanted.seconds,
        "frames": wanted.frames,
        "fps": wanted.fps,
        "size": wanted.size,
        # As they came, to see what a driver sends.
        "fields": _shortened(forms.read(request)[1]),
        "webhook_url": wanted.webhook_url,
        "webhook_events": sorted(wanted.webhook_events),
        "expected_seconds": round(generation.duration, 6),
        "faults": sorted(generation.faults),
        "bad_url": generation.bad_url,
    }


def _shortened(value: Any) -> Any:
    match value:
        case str():
            return value[:_LONGEST_NOTE]
        case dict():
            return {name: _shortened(one) for name, one in value.items()}
        case list():
            return [_shortened(one) for one in value]
        case forms.Upload():
            return asdict(value)
        case _:
            return value
