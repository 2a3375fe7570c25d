"""Callers of every kind, as programs do that are meant to last, and what they saw.

Where a connection ended without an answer they send the same thing again, under the same Idempotency-Key: an answer
that was lost on the way is found by that, because the second call is told that it is a replay. Where nobody listens
they come again, and say so.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from tests.stack import RunningStack

_PATIENCE: Final = 120.0
# As long as a stack may take to start: callers who came meanwhile wait for it.
_TIMEOUT: Final = 300.0
_SERVICE_RESTART: Final = 1012
_TRY_LATER: Final = 1013
_REFUSAL: Final = 400
_PAUSE: Final = 0.05


@dataclass(slots=True)
class Load:
    """Callers of every kind, until they are told to stop, and what they saw."""

    stack: RunningStack
    # What is asked for in turns, and seconds between two submissions of a caller.
    models: Sequence[str] = ("preview",)
    pause: float = 1.5
    seen: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    job_ids: set[str] = field(default_factory=set)
    # The whole stack ends and begins: only then may nobody listen.
    may_be_refused: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    def start(self, *, readers: int, submitters: int) -> None:
        """Begin."""
        kinds: Sequence[Callable[[], None]] = (
            *[self._read] * readers,
            *[self._submit] * submitters,
            self._poll,
            self._stream,
            self._listen,
        )
        self._threads = [threading.Thread(target=kind, daemon=True) for kind in kinds]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, every call answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT)

    @property
    def headers(self) -> dict[str, str]:
        """Say who calls."""
        return {"Authorization": f"Bearer {self.stack.account('internal')['api_key']}"}

    def _read(self) -> None:
        with httpx.Client(
            base_url=self.stack.url, headers=self.headers, timeout=_TIMEOUT
        ) as client:
            while not self._stop.wait(_PAUSE):
                for path in ("/api/v1/jobs", "/v1/videos", "/api/v1/today", "/sign-in"):
                    self._call("read", partial(client.get, path))

    def _submit(self) -> None:
        with httpx.Client(
            base_url=self.stack.url, headers=self.headers, timeout=_TIMEOUT
        ) as client:
            while not self._stop.wait(self.pause):
                number = next(self._numbers)
                model = self.models[number % len(self.models)]
                body = {
                    "prompt": f"A whale that dives, take {number}",
                    "model": model,
                    "seconds": 2,
                }
                key = {"Idempotency-Key": f"drain-{number}"}
                submit = partial(client.post, "/api/v1/jobs", json=body, headers=key)
                answer = self._call("submit", submit)
                if answer is not None and answer.is_success:
                    self.job_ids.add(answer.json()["id"])

    def _poll(self) -> None:
        url = str(self.stack.demo["push_url"])
        with httpx.Client(base_url=url, headers=self.headers, timeout=_TIMEOUT) as client:
            while not self._stop.wait(_PAUSE):
                for job_id in list(self.job_ids)[-1:]:
                    path = f"/api/v1/jobs/{job_id}/wait?timeout=3"
                    self._call("long poll", partial(client.get, path))

    def _call(self, kind: str, send: Callable[[], httpx.Response]) -> httpx.Response | None:
        """Send something until it is answered."""
        was_cut = False
        while not self._stop.is_set() or was_cut:
            try:
                answer = send()
            except httpx.ConnectError:
                self._refused(kind)
            except httpx.TransportError as error:
                self._cut(kind, error)
                was_cut = True
            else:
                self.seen[f"{kind}: {answer.status_code}"] += 1
                if answer.status_code >= _REFUSAL:
                    self.faults.append(
                        f"{kind} was answered {answer.status_code}: {answer.text[:200]}"
                    )
                if was_cut and answer.headers.get("Idempotent-Replayed") == "true":
                    self.faults.append(f"the answer of a {kind} was lost")
                return answer
            time.sleep(_PAUSE)
        return None

    def _stream(self) -> None:
        url = str(self.stack.demo["push_url"])
        headers = {**self.headers, "Accept": "text/event-stream"}
        while not self._stop.wait(_PAUSE):
            is_answered = False
            try:
                with httpx.stream(
                    "GET", f"{url}/api/v1/events", headers=headers, timeout=_TIMEOUT
                ) as answer:
                    is_answered = True
                    self.seen[f"stream: {answer.status_code}"] += 1
                    for _ in answer.iter_lines():
                        if self._stop.is_set():
                            return
            except httpx.ConnectError:
                self._refused("stream")
            except httpx.TransportError as error:
                if is_answered:
                    self.faults.append(f"a stream broke off: {type(error).__name__}")
                else:
                    self._cut("stream", error)

    def _listen(self) -> None:
        url = str(self.stack.demo["push_url"]).replace("http", "ws", 1) + "/ws/feed"
        while not self._stop.wait(_PAUSE):
            try:
                with connect(url, additional_headers=self.headers, open_timeout=_TIMEOUT) as line:
                    self.seen["socket: open"] += 1
                    while not self._stop.is_set():
                        with suppress(TimeoutError):
                            line.recv(timeout=0.5)
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 0
                self.seen[f"socket: closed with {code}"] += 1
                if code not in {_SERVICE_RESTART, _TRY_LATER}:
                    self.faults.append(f"a socket was closed with {code}")
            except ConnectionRefusedError:
                self._refused("socket")
            except (OSError, WebSocketException) as error:
                self._cut("socket", error)

    def _cut(self, kind: str, error: Exception) -> None:
        """Note a connection that ended without an answer: its caller asks again."""
        when = " as all ended" if self.may_be_refused else ""
        self.seen[f"{kind}: cut{when}, {type(error).__name__}"] += 1

    def _refused(self, kind: str) -> None:
        self.seen[f"{kind}: nobody listens"] += 1
        if not self.may_be_refused:
            self.faults.append(f"nobody listened to a {kind}")


@contextmanager
def loaded(load: Load, *, readers: int, submitters: int) -> Iterator[None]:
    """Run so many callers beside those that wait, until every job has ended."""
    load.start(readers=readers, submitters=submitters)
    try:
        yield
    finally:
        load.stop()
        _until_ended(load)


def until(question: Callable[[], object], what: str) -> None:
    """Wait until something is so. Raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE
    while not question():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited in vain for {what}.")
        time.sleep(0.1)


def _until_ended(load: Load) -> None:
    with httpx.Client(base_url=load.stack.url, headers=load.headers, timeout=_TIMEOUT) as client:
        for job_id in sorted(load.job_ids):
            until(partial(_has_ended, client, job_id), "a job to end")


def _has_ended(client: httpx.Client, job_id: str) -> bool:
    return client.get(f"/api/v1/jobs/{job_id}").json()["finished_at"] is not None
