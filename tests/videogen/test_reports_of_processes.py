"""Each process of an installation reports what breaks in it, under its own name, to the Sentry that is configured."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest
from django.db import connection

from tests.collector import Collector, collecting
from tests.factories import ann
from tests.stack import ROOT
from videogen import beat as beat_table
from videogen.celery import app
from videogen.embedded import places

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

_PATIENCE: Final = 180.0
_CELERY: Final = ("-m", "celery", "-A", "videogen.celery")
# The dispatcher's, the tasks', and the one in which keys are looked up.
_TABLES: Final = ("line", "tick", "account_api_key")
# Nothing listens there.
_NOWHERE: Final = "redis://127.0.0.1:1"


@pytest.fixture
def sentry() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture
def key() -> Iterator[str]:
    """Give Ann's key, where somebody renamed the tables that processes need."""
    found = ann()
    with connection.cursor() as cursor:
        for table in _TABLES:
            cursor.execute(f"alter table {table} rename to {table}_gone")
        yield found.api_key
        for table in _TABLES:
            cursor.execute(f"alter table {table}_gone rename to {table}")


@contextmanager
def _process(name: str, sentry: Collector, *command: str, **environment: str) -> Iterator[None]:
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "SENTRY_DSN": f"http://public@{sentry.address}/1",
            "PROCESS_NAME": name,
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _events(sentry: Collector) -> Iterator[Mapping[str, Any]]:
    for path, body in list(sentry.taken):
        if path.startswith("/api/1/envelope"):
            lines = body.split(b"\n")[1:]
            for at in range(0, len(lines) - 1, 2):
                if lines[at] and json.loads(lines[at])["type"] == "event":
                    yield json.loads(lines[at + 1])


def test_web_dispatcher_worker_and_beat_report_what_breaks_in_them(
    sentry: Collector, key: str
) -> None:
    port = next(port for port in range(20_000, 60_000) if places.is_free("127.0.0.1", port))

    def ask() -> None:
        url = f"http://127.0.0.1:{port}/api/v1/limits"
        with suppress(OSError), urlopen(Request(url, headers={"Authorization": f"Bearer {key}"})):
            pass

    def reported() -> set[str]:
        return {event["tags"]["process"] for event in _events(sentry)}

    with ExitStack() as running:
        for name, command in (
            ("web", ("-m", "videogen.servers", "web", "--port", str(port))),
            ("dispatcher", ("manage.py", "run", "dispatcher")),
            ("upkeep", (*_CELERY, "worker", "--queues", "upkeep", "--pool", "solo")),
        ):
            running.enter_context(_process(name, sentry, *command))
        beat = (*_CELERY, "beat", "--scheduler", "celery.beat:Scheduler", "--pidfile=")
        running.enter_context(_process("beat", sentry, *beat, REDIS_URL=_NOWHERE))
        app.send_task(next(iter(beat_table.SCHEDULE)), queue="upkeep")

        deadline = time.monotonic() + _PATIENCE
        while not reported() >= {"web", "dispatcher", "upkeep", "beat"}:
            assert time.monotonic() < deadline, f"Only {reported()} reported."
            ask()
            time.sleep(0.2)

    for event in _events(sentry):
        assert event["server_name"] == event["tags"]["process"]
