"""Redis stopped, then PostgreSQL stopped: what each kind of request is answered, and how long that takes.

A stopped server is worse than one that is gone: it keeps connections and takes new ones, and answers nothing.
"""

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Final

import httpx
import psutil
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.stack import RunningStack

# What no request may take, seconds.
BOUNDS: Final = {"valkey": 2.0, "postgres": 3.0}
_CLIENTS: Final = 16
_LOAD_SECONDS: Final = 6.0
_PATIENCE: Final = 60.0
_SOCKET: Final = "socket"
_AWAY: Final = 503
_FAULT: Final = 500
# The close code of a socket: try again later.
_LATER: Final = 1013


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request and what came of it; status 0 is no answer at all."""

    name: str
    status: int
    seconds: float
    retry_after: str | None = None
    kind: str = ""


@dataclass(slots=True)
class Caller:
    """A program with a key, a person with a page and an operator, on one stack."""

    stack: RunningStack
    job_id: str = ""
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    def prepare(self) -> None:
        """Sign in, and submit a job to look at."""
        for who, person in (
            ("page", self.stack.account("pro")),
            ("operator", self.stack.demo["admin"]),
        ):
            client = self._clients[who] = httpx.Client(base_url=self.stack.url, timeout=30)
            page = client.get("/sign-in")
            token = page.text.split('name="csrfmiddlewaretoken" value="', 1)[1].split('"', 1)[0]
            known = {"username": person["email"], "password": person["password"]}
            answer = client.post(
                "/sign-in",
                data={**known, "csrfmiddlewaretoken": token},
                headers={"Referer": f"{self.stack.url}/sign-in"},
            )
            answer.raise_for_status() if answer.is_error else None
        key = self.stack.account("internal")["api_key"]
        headers = {"Authorization": f"Bearer {key}"}
        for who, url in (("key", self.stack.url), ("push", self.stack.demo["push_url"])):
            self._clients[who] = httpx.Client(base_url=url, headers=headers, timeout=30)
        self._clients["nobody"] = httpx.Client(base_url=self.stack.url, timeout=30)
        made = self._clients["key"].post("/api/v1/jobs", json={"prompt": "A patient whale"})
        made.raise_for_status()
        self.job_id = made.json()["id"]

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()

    def routes(self) -> dict[str, Callable[[], httpx.Response]]:
        """Name the requests, of every kind that there is."""
        key, push, page = self._clients["key"], self._clients["push"], self._clients["page"]
        operator, nobody, job = self._clients["operator"], self._clients["nobody"], self.job_id
        body = {"prompt": "A patient whale"}
        return {
            "health": lambda: nobody.get("/health/live"),
            "ready": lambda: nobody.get("/health/ready"),
            "API submit": lambda: key.post("/api/v1/jobs", json=body),
            "API list": lambda: key.get("/api/v1/jobs"),
            "API job": lambda: key.get(f"/api/v1/jobs/{job}"),
            "API today": lambda: key.get("/api/v1/today"),
            "API limits": lambda: key.get("/api/v1/limits"),
            "API ledger": lambda: key.get("/api/v1/credits/ledger"),
            "API cancel": lambda: key.post(f"/api/v1/jobs/{job}/cancellation", json={}),
            "API webhooks": lambda: key.get("/api/v1/webhook_endpoints"),
            "API wrong key": lambda: nobody.get(
                "/api/v1/jobs", headers={"Authorization": f"Bearer vg_{time.monotonic_ns()}"}
            ),
            "v1 create": lambda: key.post("/v1/videos", json=body),
            "v1 video": lambda: key.get(f"/v1/videos/video_{job.replace('-', '')}"),
            "v1 list": lambda: key.get("/v1/videos"),
            "studio": lambda: page.get("/"),
            "history": lambda: page.get("/history"),
            "usage": lambda: page.get("/usage"),
            "account": lambda: page.get("/account"),
            "numbers": lambda: page.get("/numbers"),
            "sign-in page": lambda: nobody.get("/sign-in"),
            "sign-in": self._sign_in,
            "console": lambda: operator.get("/console/"),
            "admin": lambda: operator.get("/admin/jobs/job/"),
            "backend webhook": lambda: nobody.post("/hooks/preview", json={}),
            "long poll": lambda: push.get(f"/api/v1/jobs/{job}/wait", params={"timeout": 1}),
            "stream": self._stream,
        }

    def _sign_in(self) -> httpx.Response:
        with httpx.Client(base_url=self.stack.url, timeout=30) as client:
            client.get("/sign-in")
            token = client.cookies.get("videogen_csrf", default="")
            return client.post(
                "/sign-in",
                data={"username": "x@example.com", "password": "x", "csrfmiddlewaretoken": token},
                headers={"Referer": f"{self.stack.url}/sign-in"},
            )

    def _stream(self) -> httpx.Response:
        with self._clients["push"].stream(
            "GET", "/api/v1/events", headers={"Accept": "text/event-stream"}
        ) as answer:
            with suppress(StopIteration):
                next(answer.iter_raw())
            return answer

    def ask(self, name: str) -> Asked:
        """Send one request."""
        began = time.perf_counter()
        try:
            answer = self.routes()[name]()
        except httpx.HTTPError as error:
            took = time.perf_counter() - began
            return Asked(name=name, status=0, seconds=took, kind=type(error).__name__)
        return Asked(
            name=name,
            status=answer.status_code,
            seconds=time.perf_counter() - began,
            retry_after=answer.headers.get("Retry-After"),
            kind=answer.headers.get("Content-Type", "").partition(";")[0],
        )

    def ask_until_answered(self, name: str) -> Asked:
        """Send one request, and again after its Retry-After: each process finds out by itself that a server is back."""
        deadline = time.monotonic() + _PATIENCE
        while (asked := self.ask(name)).status == _AWAY and time.monotonic() < deadline:
            time.sleep(float(asked.retry_after or 0.1))
        return asked

    def open_socket(self) -> Asked:
        """Open a page's socket and wait for its first word; its close code is its status."""
        began = time.perf_counter()
        url = self.stack.demo["push_url"].replace("http", "ws", 1) + "/ws/feed"
        key = self.stack.account("internal")["api_key"]
        status = 101
        try:
            with connect(
                url, additional_headers={"Authorization": f"Bearer {key}"}, open_timeout=20
            ) as line:
                line.send('{"type": "catch_up", "after": 0}')
                line.recv(timeout=20)
        except ConnectionClosed as closed:
            status = closed.rcvd.code if closed.rcvd else 0
        except InvalidStatus as refused:
            status = refused.response.status_code
        except (OSError, TimeoutError):
            status = 0
        return Asked(name=_SOCKET, status=status, seconds=time.perf_counter() - began)


@contextmanager
def paused(stack: RunningStack, program: str) -> Iterator[None]:
    """Stop a server with everything that it forked; let it go on afterwards."""
    first = psutil.Process(stack.pid_of(program))
    # Nothing is forked any more once the first is stopped.
    first.send_signal(signal.SIGSTOP)
    every = [first, *first.children(recursive=True)]
    try:
        _send(signal.SIGSTOP, every)
        yield
    finally:
        _send(signal.SIGCONT, every)


def _send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def until_ready(stack: RunningStack) -> None:
    """Wait until everything answers again."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{stack.url}/health/ready", timeout=10)
            if answer.json()["status"] == "ready":
                return
        time.sleep(0.1)
    raise TimeoutError("The stack did not become ready again.")


def faults(asked: Asked, *, program: str) -> Iterator[str]:
    """Say what is wrong with an answer that was given while this server was stopped, times aside."""
    if asked.name == _SOCKET:
        if asked.status not in {101, _LATER}:
            yield f"{asked.name} ended with {asked.status}"
    elif asked.status == _AWAY:
        wanted = "text/html" if asked.name in _PAGES else "json"
        if program != "postgres":
            yield f"{asked.name} was refused"
        if not asked.retry_after:
            yield f"{asked.name} is not told when to come back"
        if wanted not in asked.kind:
            yield f"{asked.name} was told so in {asked.kind}"
    elif asked.status >= _FAULT or asked.status == 0:
        yield f"{asked.name} was answered {asked.status} {asked.kind}"


_PAGES: Final = frozenset(
    {"studio", "history", "usage", "account", "numbers", "sign-in", "console", "admin"}
    | {"backend webhook", "sign-in page"}
)


def walk(caller: Caller) -> list[Asked]:
    """Ask for everything once, one after the other."""
    return [*(caller.ask(name) for name in caller.routes()), caller.open_socket()]


def crowd(caller: Caller, *, seconds: float = _LOAD_SECONDS) -> list[Asked]:
    """Ask for everything from many clients at once, for so long."""
    ends_at = time.monotonic() + seconds

    def one(number: int) -> list[Asked]:
        # Passwords are hashed slowly on purpose, and few tries are allowed.
        names = cycle(name for name in caller.routes() if name != "sign-in")
        found: list[Asked] = []
        for name in islice(names, number * 3, None):
            if time.monotonic() > ends_at:
                return found
            found.append(caller.ask(name))
        return found

    with ThreadPoolExecutor(_CLIENTS) as threads:
        return [asked for found in threads.map(one, range(_CLIENTS)) for asked in found]


def holds() -> bool:
    """Pause each server for every kind of request anew, then once for a crowd; print the longest times."""
    broken: list[str] = []
    with RunningStack(WEB_WORKERS="2") as stack:
        caller = Caller(stack)
        caller.prepare()
        _tell(crowd(caller), program="nothing", bound=math.inf)
        for program, bound in BOUNDS.items():
            found = [_first(stack, caller, program, name) for name in [*caller.routes(), _SOCKET]]
            with paused(stack, program):
                found += crowd(caller)
            until_ready(stack)
            broken += _tell(found, program=program, bound=bound)
        caller.close()
        stack.manage("check_invariants")
    for fault in broken[:30]:
        print(f"  FAULT {fault}", flush=True)
    return not broken


def _first(stack: RunningStack, caller: Caller, program: str, name: str) -> Asked:
    until_ready(stack)
    with paused(stack, program):
        return caller.open_socket() if name == _SOCKET else caller.ask(name)


def _tell(found: list[Asked], *, program: str, bound: float) -> list[str]:
    longest: Mapping[str, Any] = {
        name: max(one.seconds for one in found if one.name == name)
        for name in dict.fromkeys(one.name for one in found)
    }
    print(f"  {program} stopped, {len(found)} requests, seconds at most:", flush=True)
    for name, seconds in sorted(longest.items(), key=lambda item: -item[1]):
        statuses = sorted({one.status for one in found if one.name == name})
        print(f"    {name:<16} {seconds:5.2f}   {', '.join(map(str, statuses))}", flush=True)
    late = [
        f"{one.name} took {one.seconds:.2f} s with {program} stopped"
        for one in found
        # A long poll waits for a second by its own wish.
        if one.seconds > bound + (1.0 if one.name == "long poll" else 0.0)
    ]
    return [*late, *(fault for one in found for fault in faults(one, program=program))]
