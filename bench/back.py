"""How long a page that was left open shows something old after the servers came back: seconds, on the running stack.

Kills processes of bin/dev, which starts them again, and empties its Redis. Needs Chromium.
"""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from bench import idle, paint
from videogen.embedded import places
from videogen.embedded.supervision import Supervisor

_MANAGE: Final = Path(__file__).resolve().parent.parent / "bin" / "manage"
_EMPTY: Final = "import redis; from django.conf import settings; redis.Redis.from_url(settings.REDIS_URL).flushall()"
_LOOKS: Final = {
    "queued": "waiting",
    "dispatched": "starting",
    "running": "running",
    "succeeded": "ready",
}
_PATIENCE: Final = 60.0


def measure() -> dict[str, float]:
    """Break one thing after the other under an open studio; give how long each was not true afterwards."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a tool of developers

    folder = idle.data_dir()
    demo = json.loads((folder / "demo.json").read_text())
    account = next(one for one in demo["accounts"] if one["tier"] == "internal")
    supervisor = Supervisor(folder, places.runtime_dir(folder))
    breaks: dict[str, Callable[[], object]] = {
        "push restarted": lambda: _kill(supervisor, "push"),
        "web and push restarted": lambda: _kill(supervisor, "push", "web"),
        "Redis emptied": lambda: subprocess.run(
            [_MANAGE, "shell", "-c", _EMPTY], check=True, capture_output=True
        ),
    }
    found = {}
    with sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=path)
        state = paint.signed_in(browser, demo["url"], account)
        page = browser.new_context(base_url=demo["url"], storage_state=state).new_page()
        page.goto("/")
        for name, break_it in breaks.items():
            job = _ask(demo["url"], account["api_key"], "jobs", {"prompt": name, "seconds": 12})
            page.locator(f'[data-job="{job["id"]}"]').wait_for()
            break_it()
            _until(lambda: _answers(demo["url"], "/health/ready"))
            _until(lambda: _answers(demo["push_url"], "/health/live"))
            began = time.monotonic()
            _until(partial(_is_true, page, demo["url"], account["api_key"], job["id"]))
            found[f"{name}, old for s"] = time.monotonic() - began
        browser.close()
    return found


def _kill(supervisor: Supervisor, *programs: str) -> None:
    for program in programs:
        psutil.Process(supervisor.pid_of(program)).kill()


def _is_true(page: Any, url: str, key: str, job_id: str) -> bool:
    wanted = _LOOKS[_ask(url, key, f"jobs/{job_id}")["state"]]
    looks = page.evaluate(
        "(id) => [...document.querySelectorAll(`[data-job='${id}']`)].map(({ dataset }) => dataset.look)",
        job_id,
    )
    is_connected = page.evaluate("document.querySelector('[data-offline]').hidden")
    return bool(looks == [wanted] and is_connected)


def _answers(url: str, path: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1) as probe:
            probe.sendall(f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
            status = probe.recv(64).split()
    except OSError:
        return False
    # Whatever it says of the path, somebody says it.
    return len(status) > 1 and status[1].isdigit() and int(status[1]) < 500


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError("It did not come back.")
        time.sleep(0.02)


def _ask(url: str, key: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - the stack's own address
        f"{url}/api/v1/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        return json.load(answer)
