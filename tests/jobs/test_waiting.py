"""Why a job waits, in the product's words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.outlook import Curve, Outlook, Place
from jobs.states import JobState
from jobs.waiting import LineNow, Waiting, clock, explain, in_words, round_ahead

NOW = datetime(2026, 5, 4, 14, 10, tzinfo=UTC)
OUTLOOK = Outlook(
    tier="pro",
    virtual_time=0.0,
    work=Curve((0.0, 1000.0), (0.0, 10_000.0)),
    overtaking=Curve(),
    drain=10.0,
    mean_cost=25.0,
    mean_run=40.0,
    slots=40,
)
LINE = LineNow(taken_at=NOW, outlook=OUTLOOK, slots=40, usual_slots=40, run=(20.0, 90.0))
PLACE = Place(tag=30.0)


def _explain(**changes: Any) -> Waiting:
    known: dict[str, Any] = {
        "state": JobState.QUEUED,
        "due_at": None,
        "attempt": 0,
        "now": NOW,
        "line": LINE,
        "place": PLACE,
    }
    found = explain(**(known | changes))
    assert found is not None
    return found


def test_only_waiting_jobs_are_explained() -> None:
    assert explain(state=JobState.RUNNING, due_at=None, attempt=1) is None


def test_it_says_why_how_many_and_when() -> None:
    found = _explain()

    assert found.reason == "slots_busy"
    assert found.sentence == "All 40 GPUs are busy. About 10 ahead. It starts within 2 min."
    assert found.position == 10
    assert found.start_range is not None
    assert NOW < found.start_range[0] < NOW + timedelta(seconds=31) < found.start_range[1]
    assert found.finish_range is not None
    assert found.finish_range[0] == found.start_range[0] + timedelta(seconds=20)
    assert found.finish_range[1] == found.start_range[1] + timedelta(seconds=90)


def test_a_single_gpu_is_not_all_gpus() -> None:
    assert _explain(line=replace(LINE, slots=1), place=Place(tag=0.0)).sentence == (
        "The GPU is busy. It is next. It starts within seconds."
    )


def test_your_own_limit_is_told_as_such() -> None:
    found = _explain(place=replace(PLACE, own_running=2, own_limit=2))

    assert found.reason == "own_limit"
    assert found.sentence.startswith(
        "Your plan runs 2 videos at once, and 2 are running. It starts when one of them ends."
    )


def test_reduced_capacity_is_told_with_its_time() -> None:
    line = replace(LINE, slots=20, reduced_since=datetime(2026, 5, 4, 14, 2, tzinfo=UTC))

    found = _explain(line=line)

    assert found.reason == "capacity_reduced"
    assert found.sentence.startswith("Since 14:02 UTC we run 20 of 40 GPUs.")


def test_a_paused_pool_promises_no_time() -> None:
    line = replace(LINE, open_pools=0, paused_since=datetime(2026, 5, 4, 13, 5, tzinfo=UTC))

    assert _explain(line=line) == Waiting(
        reason="pool_paused",
        sentence="Its GPUs are paused since 13:05 UTC. It keeps its place and starts when they are back.",
    )


def test_no_pool_is_told_before_anything_else_of_the_line() -> None:
    found = _explain(line=replace(LINE, pools=0, open_pools=0))

    assert (found.reason, found.start_range) == ("no_pool", None)


def test_standby_promises_nothing() -> None:
    found = _explain(
        line=replace(LINE, is_standby=True), start_by=datetime(2026, 5, 4, 18, 0, tzinfo=UTC)
    )

    assert found == Waiting(
        reason="standby",
        sentence="It is on standby and runs when nobody else waits. "
        "If it has not started by 18:00 UTC, it expires at no cost.",
    )


def test_a_retry_says_in_how_long_and_that_it_costs_nothing() -> None:
    found = _explain(attempt=1, due_at=NOW + timedelta(seconds=18))

    assert found.reason == "retrying"
    assert found.sentence == (
        "The last try ended early. It starts again in about 20 s; you are not charged twice."
    )
    assert found.start_range is not None
    assert found.start_range[0] >= NOW + timedelta(seconds=18)


def test_standby_is_told_before_its_line_is_known() -> None:
    found = explain(state=JobState.QUEUED, due_at=None, attempt=0, is_standby=True)

    assert found is not None
    assert found.reason == "standby"


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-05-04T09:05+00:00", "09:05 UTC"),
        ("2026-05-05T09:05+00:00", "09:05 UTC tomorrow"),
        ("2026-05-03T23:59+00:00", "23:59 UTC yesterday"),
        ("2026-05-09T09:05+00:00", "09:05 UTC on 9 May"),
        # Where it is past midnight already, it is of today.
        ("2026-05-05T01:00+10:00", "01:00"),
    ],
)
def test_a_clock_time_says_its_day_where_it_is_another(at: str, words: str) -> None:
    assert clock(datetime.fromisoformat(at), NOW) == words


def test_a_retry_in_line_says_its_place_instead_of_shortly() -> None:
    found = _explain(attempt=1)

    assert found.reason == "retrying"
    assert found.sentence == (
        "The last try ended early; you are not charged twice."
        " About 10 ahead. It starts within 2 min."
    )


def test_a_retry_whose_gpus_are_paused_promises_no_time() -> None:
    found = _explain(attempt=1, line=replace(LINE, open_pools=0))

    assert (found.reason, found.start_range) == ("pool_paused", None)


def test_a_retry_without_a_time_starts_shortly() -> None:
    found = explain(state=JobState.QUEUED, due_at=None, attempt=1)

    assert found is not None
    assert found.sentence.startswith("The last try ended early. It starts again shortly;")


@pytest.mark.parametrize(
    "line",
    [
        replace(LINE, taken_at=NOW - timedelta(seconds=60)),
        replace(LINE, outlook=None),
        replace(LINE, outlook=replace(OUTLOOK, drain=0.0)),
    ],
)
def test_without_fresh_numbers_it_says_less(line: LineNow) -> None:
    found = _explain(line=line)

    assert (found.sentence, found.position, found.start_range) == (
        "All 40 GPUs are busy.",
        None,
        None,
    )


def test_before_anything_is_published_it_says_what_is_always_true() -> None:
    found = explain(state=JobState.QUEUED, due_at=None, attempt=0)

    assert found == Waiting(
        reason="slots_busy", sentence="It starts as soon as a GPU is free and it is your turn."
    )


def test_a_very_long_wait_is_told_in_words() -> None:
    slow = replace(LINE, outlook=replace(OUTLOOK, drain=0.1))

    found = _explain(line=slow)

    assert found.start_range is None
    assert found.sentence.endswith("It starts in more than 20 min.")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 9.0, "within seconds"),
        (5.0, 50.0, "within a minute"),
        (20.0, 100.0, "within 2 min"),
        (130.0, 290.0, "in 2 to 5 min"),
    ],
)
def test_ranges_are_said_as_exactly_as_they_are_known(low: float, high: float, words: str) -> None:
    assert in_words(low, high) == words


def test_numbers_ahead_are_rounded_as_they_grow() -> None:
    assert [round_ahead(count) for count in (0, 7, 13, 88, 1234)] == [0, 7, 15, 90, 1250]


def test_a_retry_is_due_in_minutes_when_it_is_far() -> None:
    found = _explain(attempt=1, due_at=NOW + timedelta(seconds=150), line=None)

    assert "in about 3 min" in found.sentence
