"""A program that uses the native API of the stack, with the key of a demo account."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.stack import RunningStack

_PATIENCE = 180.0
_TIER = "enterprise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer, whatever its status, and the address that gave it."""

    status: int
    body: bytes
    # Names in any case.
    headers: Message
    url: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def post(stack: RunningStack, path: str, body: Mapping[str, Any]) -> Reply:
    """Send JSON to the API."""
    headers = {
        "Authorization": f"Bearer {stack.account(_TIER)['api_key']}",
        "Content-Type": "application/json",
    }
    data = json.dumps(body).encode()
    return send(Request(f"{stack.url}/api/v1/{path}", data=data, headers=headers))


def get(stack: RunningStack, url: str, tier: str | None = _TIER, **headers: str) -> Reply:
    """Get an address, with the key of a tier or with none."""
    if tier:
        headers["Authorization"] = f"Bearer {stack.account(tier)['api_key']}"
    return send(Request(url, headers=headers))


def send(request: Request) -> Reply:
    """Send one request; redirects are followed."""
    try:
        with urlopen(request, timeout=15) as reply:
            return Reply(
                status=reply.status, body=reply.read(), headers=reply.headers, url=reply.url
            )
    except HTTPError as refusal:
        with refusal:
            return Reply(
                status=refusal.code,
                body=refusal.read(),
                headers=refusal.headers,
                url=refusal.url or "",
            )


def wait_for_room(stack: RunningStack) -> None:
    """Wait until a job would be taken: after a pause of the pools the doors open within a moment."""
    deadline = time.monotonic() + _PATIENCE
    while (quoted := post(stack, "quotes", {"prompt": "Is there room?"}).json)["refusal"]:
        assert time.monotonic() < deadline, quoted
        time.sleep(0.1)


def wait(stack: RunningStack, ids: Sequence[str], *, state: str = "") -> list[dict[str, Any]]:
    """Wait until all have ended, or until all were seen in a state; give them as they are."""
    deadline = time.monotonic() + _PATIENCE
    jobs: dict[str, dict[str, Any]] = {}
    while len(jobs) < len(ids):
        for job_id in [one for one in ids if one not in jobs]:
            job = get(stack, f"{stack.url}/api/v1/jobs/{job_id}").json
            assert time.monotonic() < deadline, job
            assert not (state and job["finished_at"]), job
            if job["state"] == state or job["finished_at"]:
                jobs[job_id] = job
        time.sleep(0.1)
    return [jobs[job_id] for job_id in ids]
