"""The port of the metrics: who serves it, what a dead process leaves, what never happened yet."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.stack import ROOT, three_free_ports

_PATIENCE = 60.0
# A process that has two listeners, and serves what all processes of its folder say.
_PROCESS = """
import time
import django
django.setup()
from notifications.metrics import SOCKETS
from videogen import process_metrics
SOCKETS.labels(kind="page").inc(2)
process_metrics.begin()
print("up", flush=True)
time.sleep(600)
"""


class _Process:
    def __init__(self, folder: Path, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS],
            cwd=ROOT,
            env={
                **os.environ,
                "PROMETHEUS_MULTIPROC_DIR": str(folder),
                "PROCESS_NAME": "proof",
                "METRICS_OFFERED": "1",
                "METRICS_PORT": str(port),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "up\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def port() -> int:
    return three_free_ports()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[list[_Process]]:
    """Give two processes that share a folder; the first has the port."""
    found: list[_Process] = []
    folder = tmp_path_factory.mktemp("metrics")
    try:
        found.append(_Process(folder, port))
        _scraped(port, "videogen_sockets", 2)
        found.append(_Process(folder, port))
        yield found
    finally:
        for process in found:
            process.kill()


def _text(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def _scraped(port: int, name: str, expected: float) -> None:
    """Wait until a metric has this sum."""
    deadline = time.monotonic() + _PATIENCE
    found = None
    while time.monotonic() < deadline:
        try:
            families = text_string_to_metric_families(_text(port))
        except OSError:
            continue
        found = sum(s.value for f in families for s in f.samples if s.name == name)
        if found == expected:
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} is {found}, not {expected}")


def test_what_never_happened_is_announced_and_every_start_is_noted(
    two: list[_Process], port: int
) -> None:
    text = _text(port)

    assert "# TYPE videogen_orphans_total counter" in text
    assert 'videogen_process_started_timestamp_seconds{process="proof"}' in text


def test_a_client_that_sends_nothing_keeps_no_scrape_waiting(
    two: list[_Process], port: int
) -> None:
    with socket.create_connection(("127.0.0.1", port)):
        assert "videogen_sockets" in _text(port)


def test_the_next_process_serves_when_the_first_is_killed_and_its_listeners_are_gone(
    two: list[_Process], port: int
) -> None:
    _scraped(port, "videogen_sockets", 4)

    two[0].kill()

    _scraped(port, "videogen_sockets", 2)
