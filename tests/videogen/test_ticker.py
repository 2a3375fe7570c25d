"""Beat sends each task by its period, and makes up for nothing."""

import subprocess
import sys
from typing import Any

import pytest
from celery import Celery

from videogen import beat, looks, ticker
from videogen.ticker import Ticker


class _Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class _Beat(Ticker):
    """A ticker of a table that writes down what it sends."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.sent: list[str] = []
        super().__init__(app=Celery("beat", set_as_current=False, beat_schedule=table))

    @property
    def producer(self) -> None:  # type: ignore[override]  # nothing is sent
        return None

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append(entry.name)


_TABLE = {
    "often": {"task": "often", "schedule": 1.0},
    "seldom": {"task": "seldom", "schedule": 2.5},
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    found = _Clock()
    monkeypatch.setattr(ticker, "time", found)
    return found


def test_each_task_is_sent_by_its_period(clock: _Clock) -> None:
    scheduler = _Beat(_TABLE)
    heard = []
    for _ in range(5):
        clock.now += scheduler.tick()
        scheduler.tick()
        heard.append((clock.now - 1000, *scheduler.sent))
        scheduler.sent.clear()

    assert heard == [
        (1.0, "often"),
        (2.0, "often"),
        (2.5, "seldom"),
        (3.0, "often"),
        (4.0, "often"),
    ]


def test_what_a_stopped_beat_missed_is_sent_once(clock: _Clock) -> None:
    scheduler = _Beat(_TABLE)
    clock.now += 600

    assert scheduler.tick() == 1.0
    assert sorted(scheduler.sent) == ["often", "seldom"]


def test_the_whole_table_is_sent(clock: _Clock) -> None:
    scheduler = _Beat(beat.SCHEDULE)
    clock.now += max(float(entry["schedule"]) for entry in beat.SCHEDULE.values())

    scheduler.tick()

    assert set(scheduler.sent) == beat.SCHEDULE.keys()


def test_what_would_find_nothing_is_sent_seldom(
    clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    finds: set[str] = set()
    monkeypatch.setattr(looks, "CONDITIONS", {"often": ""})
    monkeypatch.setattr(looks, "found", lambda names: finds & set(names))
    scheduler = _Beat(_TABLE)
    sent: list[float] = []

    def run_until(end: float) -> None:
        while clock.now < end:
            clock.now += scheduler.tick()
            scheduler.sent.clear()
            scheduler.tick()
            sent.extend([clock.now - 1000] * scheduler.sent.count("often"))

    run_until(1045.0)
    assert sent == [1.0, 1.0 + looks.SELDOM, 1.0 + 2 * looks.SELDOM]

    sent.clear()
    finds.add("often")
    run_until(1048.0)
    assert sent == [46.0, 47.0, 48.0]


def test_a_beat_told_to_stop_ends_after_what_it_is_sending() -> None:
    ended = subprocess.run(
        [
            sys.executable, "-m", "celery", "--app", "videogen", "beat", "--pidfile=",
            "--scheduler", "tests.videogen.beat_told_to_stop:Told", "--loglevel", "WARNING",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )  # fmt: skip

    assert ended.returncode == 0
    assert ended.stderr == ""
    assert ended.stdout.splitlines()[-1] == "sent"
