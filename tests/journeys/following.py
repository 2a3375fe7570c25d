"""The ways to follow one's jobs, as programs of an app: each keeps what it believes of every job."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.stack import RunningStack


class Follower(threading.Thread):
    """One device: the versions and states that it has seen, and whether it has a network."""

    def __init__(self, stack: RunningStack, key: str, *, cookie: str = "") -> None:
        super().__init__(daemon=True)
        self.states: dict[str, tuple[int, str]] = {}
        self.last = 0
        self.gaps = 0
        self.resets = 0
        self.online = threading.Event()
        self.online.set()
        self.ended = threading.Event()
        self._api = f"{stack.url}/api/v1"
        self._push = f"{stack.demo['push_url']}/api/v1"
        self._socket = f"{stack.demo['push_url']}/ws/feed".replace("http", "ws", 1)
        self._origin = stack.url
        self._cookie = cookie
        self._http = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=40)

    def run(self) -> None:
        """Follow until told to end; while there is no network, do nothing."""
        while not self.ended.is_set():
            if not self.online.wait(0.1):
                continue
            with suppress(httpx.HTTPError, OSError, ConnectionClosed, TimeoutError):
                self.follow()

    def follow(self) -> None:
        """Follow for a while."""
        raise NotImplementedError

    def heard(self, event: dict[str, Any]) -> None:
        """Take an event: once, in order."""
        if event["sequence"] <= self.last:
            return
        self.gaps += event["sequence"] != self.last + 1
        self.last = event["sequence"]
        if event["name"].startswith("job."):
            self.believe(event["subject_id"], event["payload"])

    def believe(self, job_id: str, shown: dict[str, Any]) -> None:
        """Keep the newest version of a job; events of batches and of credits have none."""
        if "version" not in shown:
            return
        if shown["version"] > self.states.get(job_id, (0, ""))[0]:
            self.states[job_id] = shown["version"], shown["state"]

    @property
    def offline(self) -> bool:
        return self.ended.is_set() or not self.online.is_set()


class Stream(Follower):
    """Server-sent events, with the last number after every break."""

    def follow(self) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self.last)}
        with self._http.stream("GET", f"{self._push}/events", headers=headers) as answer:
            for name, data in events_of(answer):
                if self.offline:
                    return
                self.resets += name == "reset"
                if data and "sequence" in data:
                    self.heard(data)


class Changes(Follower):
    """Plain JSON since a number."""

    def follow(self) -> None:
        answer = self._http.get(f"{self._api}/events", params={"after": self.last}).json()
        self.resets += answer["reset"]
        for event in answer["events"]:
            self.heard(event)
        if not answer["more"]:
            self.ended.wait(0.1)


class Socket(Follower):
    """The websocket of the pages."""

    def follow(self) -> None:
        with connect(
            self._socket,
            origin=Origin(self._origin),
            additional_headers={"Cookie": self._cookie},
        ) as socket:
            socket.send(json.dumps({"type": "catch_up", "after": self.last}))
            while not self.offline:
                with suppress(TimeoutError):
                    message = json.loads(socket.recv(timeout=0.2))
                    for event in message.get("events", ()):
                        if event["sequence"] > self.last + 1:
                            socket.send(json.dumps({"type": "catch_up", "after": self.last}))
                            break
                        self.heard(event)
                    if message.get("more"):
                        socket.send(json.dumps({"type": "catch_up", "after": self.last}))


class LongPolls(Follower):
    """One job after another by long polls, as many at once as a screen shows."""

    def __init__(self, stack: RunningStack, key: str, *, ids: list[str]) -> None:
        super().__init__(stack, key)
        self._ids = ids

    def follow(self) -> None:
        waiting = [one for one in self._ids if not self._has_ended(one)]
        if not waiting:
            self.ended.wait(0.1)
            return
        # What was never seen comes first, and is answered at once.
        job_id = next((one for one in waiting if one not in self.states), waiting[0])
        version = self.states.get(job_id, (0, ""))[0]
        answer = self._http.get(
            f"{self._push}/jobs/{job_id}/wait", params={"version": version, "timeout": 2}
        )
        self.believe(job_id, answer.raise_for_status().json())

    def _has_ended(self, job_id: str) -> bool:
        return self.states.get(job_id, (0, ""))[1] in {"succeeded", "failed", "canceled", "expired"}


def events_of(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Read a stream of server-sent events; heartbeats come as empty names."""
    name, data = "", None
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
        elif not line:
            yield name, data
            name, data = "", None
