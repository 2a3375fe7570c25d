"""How smoothly pages scroll where an owner had 10,000 jobs in a day, while videos end: frames, long tasks, heap.

Chromium scrolls pages of a server of the benchmark's own; 20 videos end meanwhile, one after the other.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

_VIEW: Final = {"width": 1280, "height": 900}
_SECONDS: Final = 8.0
_STEP: Final = 300
_UPDATES: Final = 20
# A screen shows sixty frames a second; who misses the next one has dropped it.
_DROPPED: Final = 1.5 / 60 * 1_000
_WATCH: Final = """
window.gaps = [];
window.tasks = [];
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.tasks.push(entry.duration);
}).observe({type: "longtask", buffered: true});
let before = performance.now();
const next = (now) => {
    window.gaps.push(now - before);
    before = now;
    requestAnimationFrame(next);
};
requestAnimationFrame(next);
"""
_BEGIN: Final = "() => { window.gaps = []; window.tasks = []; }"
_READ: Final = "() => ({gaps: window.gaps, tasks: window.tasks})"
# Not while older rows are on their way.
_AT_THE_END: Final = """() => scrollY + innerHeight >= document.documentElement.scrollHeight - 2
    && !document.querySelector("[data-older]")"""
_END_OF_FEED: Final = {"type": "events", "events": [], "more": False}


def measure(person: Any, session: str) -> dict[str, float]:
    """Scroll the studio and the history of a signed-in owner, whose day is filled."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a tool of developers

    # Playwright keeps an event loop in this thread; the ORM is never used inside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    jobs = _under_way(person)
    found: dict[str, float] = {}
    with _served() as url, sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=path)
        for name, address in {"studio": "/", "history": "/history"}.items():
            found |= _scroll(browser, url, session, name, address, lambda: None)
            half = [jobs.pop() for _ in range(_UPDATES)]
            found |= _scroll(
                browser, url, session, f"{name}, {_UPDATES} end", address, _Ends(half).next
            )
        browser.close()
    return found


class _Ends:
    """Ends one job after the other, and gives what the feed says of it."""

    def __init__(self, jobs: list[Any]) -> None:
        self._jobs = jobs
        self._pause = _SECONDS / (len(jobs) + 1)
        self._due = time.monotonic() + self._pause
        self._sequence = 0

    def next(self) -> dict[str, Any] | None:
        """End the next one, if it is its time."""
        if not self._jobs or time.monotonic() < self._due:
            return None
        from jobs import transitions  # noqa: PLC0415 - after django.setup
        from jobs.backends.backend import Video  # noqa: PLC0415

        self._due += self._pause
        job = self._jobs.pop()
        video = Video(url=f"/previews/of{job.id.hex}.mp4", thumbnail_url="")
        transitions.succeed(job.id, attempt=job.attempt, video=video)
        self._sequence += 1
        event = {
            "sequence": self._sequence, "name": "job.succeeded", "subject_id": str(job.id), "payload": {},
        }  # fmt: skip
        return {"type": "events", "events": [event], "more": False}


def _under_way(person: Any) -> list[Any]:
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from jobs import requests, submission, transitions  # noqa: PLC0415
    from jobs.idempotency import Claim  # noqa: PLC0415
    from jobs.ids import JobId  # noqa: PLC0415
    from jobs.models import Job, Pool  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    Pool.objects.update(slots=2 * _UPDATES)
    for number in range(2 * _UPDATES):
        wanted = requests.read({"prompt": f"A paper boat in the gutter, take {number}"})
        submission.submit(wanted, owner_id=UUID(str(person.pk)), claim=Claim.by_key(None))
    while dispatch.grant_free_slots():
        pass
    jobs = list(Job.objects.filter(owner_id=person.pk, state="dispatched"))
    for job in jobs:
        transitions.start(JobId(job.id), attempt=job.attempt)
    connection.close()
    return jobs


@contextmanager
def _served() -> Iterator[str]:
    from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: PLC0415
    from django.test.testcases import LiveServerThread  # noqa: PLC0415

    server = LiveServerThread("localhost", StaticFilesHandler)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    if server.error:
        raise server.error
    yield f"http://localhost:{server.port}"
    server.terminate()


def _scroll(
    browser: Any,
    url: str,
    session: str,
    name: str,
    address: str,
    news: Callable[[], dict[str, Any] | None],
) -> dict[str, float]:
    from django.conf import settings  # noqa: PLC0415

    context = browser.new_context(base_url=url, viewport=_VIEW)
    cookie = {"url": url, "name": settings.SESSION_COOKIE_NAME, "value": session}
    context.add_cookies([cookie])
    page = context.new_page()
    page.add_init_script(_WATCH)
    sockets: list[Any] = []
    page.route_web_socket("**/ws/feed", lambda socket: _connected(socket, sockets))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.mouse.move(900, 500)
    page.evaluate(_BEGIN)
    ends_at, way = time.monotonic() + _SECONDS, 1
    while time.monotonic() < ends_at:
        page.mouse.wheel(0, way * _STEP)
        if (event := news()) is not None:
            for socket in sockets:
                socket.send(json.dumps(event))
        page.wait_for_timeout(40)
        if page.evaluate(_AT_THE_END):
            way = -1
        elif page.evaluate("scrollY <= 0"):
            way = 1
    seen = page.evaluate(_READ)
    protocol = context.new_cdp_session(page)
    protocol.send("HeapProfiler.collectGarbage")
    protocol.send("Performance.enable")
    sizes = {
        one["name"]: one["value"] for one in protocol.send("Performance.getMetrics")["metrics"]
    }
    rows = page.locator("[data-job]").count()
    context.close()
    gaps = sorted(seen["gaps"])
    return {
        f"{name}: frames a second": len(gaps) / (sum(gaps) / 1_000),
        f"{name}: frames dropped, %": 100 * sum(gap > _DROPPED for gap in gaps) / len(gaps),
        f"{name}: frame p99, ms": gaps[int(0.99 * (len(gaps) - 1))],
        f"{name}: tasks over 50 ms": len(seen["tasks"]),
        f"{name}: longest task, ms": max(seen["tasks"], default=0.0),
        f"{name}: heap, MB": sizes["JSHeapUsedSize"] / 1e6,
        f"{name}: nodes": sizes["Nodes"],
        f"{name}: rows at the end": rows,
    }


def _connected(socket: Any, sockets: list[Any]) -> None:
    socket.on_message(lambda _: socket.send(json.dumps(_END_OF_FEED)))
    sockets.append(socket)
