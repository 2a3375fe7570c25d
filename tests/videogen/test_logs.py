"""Log lines: JSON that says what it is about, one for each move, and nothing that somebody wrote."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from structlog.contextvars import bound_contextvars

from jobs import execution
from jobs.failures import FailureKind
from jobs.ids import JobId
from tests.factories import Person, ann, end_attempt, succeeded
from videogen.logs import JsonFormatter, LineFormatter, clean


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Give the lines that our own loggers write, read as the JSON that they are."""
    written: list[dict[str, Any]] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = self.format(record)
            assert "\n" not in line
            written.append(json.loads(line))

    keeper, root = Keeper(), logging.getLogger()
    keeper.setFormatter(JsonFormatter())
    level = root.level
    root.addHandler(keeper)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(keeper)
    root.setLevel(level)


def _submit(owner: Person) -> str:
    answer = Client().post(
        "/api/v1/jobs",
        '{"prompt": "a whale"}',
        content_type="application/json",
        headers=owner.headers,
    )
    return str(answer.json()["id"])


@pytest.mark.django_db(transaction=True)
def test_each_move_is_one_line(lines: list[dict[str, Any]]) -> None:
    job = succeeded(ann())

    moves = [line for line in lines if line["event"] == "job_moved"]
    assert [(one["before"], one["to"], one["cause"]) for one in moves] == [
        ("", "queued", "submission"),
        ("queued", "dispatched", "grant"),
        ("dispatched", "running", "backend"),
        ("running", "succeeded", "succeeded"),
    ]
    assert {one["job"] for one in moves} == {str(job.id)}
    assert [one["attempt"] for one in moves] == [0, 1, 1, 1]
    assert moves[1]["pool"] == "preview"
    assert all(one["at"].endswith("Z") and one["level"] == "info" for one in moves)


@pytest.mark.django_db(transaction=True)
def test_a_move_of_a_request_says_which_request(lines: list[dict[str, Any]]) -> None:
    job_id = _submit(ann())

    (move,) = [line for line in lines if line["event"] == "job_moved"]
    assert move["job"] == job_id
    assert move["request"].startswith("req_")
    assert "a whale" not in json.dumps(lines)


@pytest.mark.django_db(transaction=True)
def test_a_move_that_is_taken_back_is_no_line(lines: list[dict[str, Any]]) -> None:
    from django.db import transaction

    from tests.factories import running

    job = running(ann())
    lines.clear()
    with transaction.atomic():
        end_attempt(job, FailureKind.CONTENT_POLICY)
        transaction.set_rollback(True)

    assert [line for line in lines if line["event"] == "job_moved"] == []


@pytest.mark.django_db(transaction=True)
def test_lines_of_an_attempt_say_job_attempt_pool_and_worker(
    lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.factories import dispatched

    job = dispatched(ann())
    monkeypatch.setattr(execution, "_generate", lambda *_: logging.getLogger("x").info("at_work"))
    execution.run(JobId(job.id), attempt=1, worker="gpu.preview@one")

    (line,) = [line for line in lines if line["event"] == "at_work"]
    told = {name: line[name] for name in ("job", "attempt", "pool", "worker")}
    assert told == {
        "job": str(job.id),
        "attempt": 1,
        "pool": "preview",
        "worker": "gpu.preview@one",
    }


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail to ann@example.com failed", "mail to [hidden] failed"),
        ("Key (email)=(ann@example.com) exists", "Key (email)=([hidden]) exists"),
        ("Authorization: Bearer vg_abcdefghij.klmnop", "Authorization: [hidden]"),
        (
            "at https://x.example/a/b?X-Signature=abc&n=1 now",
            "at https://x.example/a/b?[hidden] now",
        ),
        ("redis://:secret@10.0.0.1:6379/0", "redis://10.0.0.1:6379/0"),
        ("job 018f-77 at 12:30 is fine", "job 018f-77 at 12:30 is fine"),
    ],
)
def test_what_is_private_is_cut_out_of_texts(text: str, left: str) -> None:
    assert clean(text) == left


@pytest.mark.parametrize("formatter", [JsonFormatter, LineFormatter])
def test_private_fields_are_hidden_and_tracebacks_stay_one_record(
    formatter: type[logging.Formatter],
) -> None:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "it_broke", (), None)
    record.prompt, record.email, record.pool = "a canary", "ann@example.com", "preview"
    error = ValueError("of ann@example.com")
    record.exc_info = (ValueError, error, error.__traceback__)

    with bound_contextvars(request="req_1"):
        line = formatter().format(record)

    assert "canary" not in line
    assert "ann@" not in line
    for kept in ("it_broke", "preview", "req_1", "ValueError"):
        assert kept in line
