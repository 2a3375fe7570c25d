"""Error reports as they leave the process: to be told apart by kind, and without anything private."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.collector import collecting

ROOT = Path(__file__).resolve().parent.parent.parent
CANARY = "canary7f3a"


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    """Give the events of all envelopes that a process sent in which things broke."""
    with collecting() as sink:
        subprocess.run(
            [sys.executable, "-m", "tests.videogen.faults", CANARY],
            cwd=ROOT,
            env={
                **os.environ,
                "SENTRY_DSN": f"http://public@{sink.address}/1",
                "PROCESS_NAME": "upkeep",
            },
            check=True,
            capture_output=True,
            timeout=200,
        )
        envelopes = [body for path, body in sink.taken if path.startswith("/api/1/envelope")]
    for body in envelopes:
        assert CANARY.encode() not in body
    return [event for body in envelopes for event in _events(body)]


def _events(envelope: bytes) -> list[dict[str, Any]]:
    lines = envelope.split(b"\n")[1:]
    return [
        json.loads(lines[at + 1])
        for at in range(0, len(lines) - 1, 2)
        if lines[at] and json.loads(lines[at])["type"] == "event"
    ]


def _named(reports: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    found = []
    for event in reports:
        raised = [one["type"] for one in event.get("exception", {}).get("values", [])]
        if name in {*raised, event.get("logentry", {}).get("message")}:
            found.append(event)
    return found


def test_a_view_and_a_task_that_break_are_reported_with_their_process(
    reports: list[dict[str, Any]],
) -> None:
    (view,) = _named(reports, "RuntimeError")
    (task,) = _named(reports, "KeyError")

    for event in (view, task):
        assert event["tags"]["process"] == event["server_name"] == "upkeep"
    assert view["tags"]["request"].startswith("req_")
    assert view["transaction"] == "/api/v1/break"
    assert task["tags"]["task"] == "videogen.break_down"
    frames = view["exception"]["values"][0]["stacktrace"]["frames"]
    assert frames[-1]["function"] == "broken"
    assert "vars" not in frames[-1]


def test_faults_are_grouped_by_their_kind_and_say_where_to_look(
    reports: list[dict[str, Any]],
) -> None:
    failed = _named(reports, "backend_failed")

    groups = [event["fingerprint"] for event in failed]
    assert groups == [
        ["backend_failed", "backend_error"],
        ["backend_failed", "backend_error"],
        ["backend_failed", "overdue"],
    ]
    assert [event["tags"]["pool"] for event in failed] == ["a", "b", "a"]
    assert {(event["tags"]["job"], event["tags"]["worker"]) for event in failed} == {
        ("018f", "gpu.a@one")
    }
    (broke,) = _named(reports, "ValueError")
    assert broke["tags"]["attempt"] == "2"


def test_refusals_and_what_was_told_already_are_not_reported(
    reports: list[dict[str, Any]],
) -> None:
    assert _named(reports, "Busy") == []
    database = _named(reports, "OperationalError")
    assert [event["fingerprint"] for event in database] == [["database", "connection"]]
    assert database[0]["exception"]["values"][0]["value"] == "duplicate key"
