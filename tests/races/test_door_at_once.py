"""Fifty callers at the edge of each limit: as many come in as fit, and no ticket is good twice."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from django.db import transaction
from django.db.models import Sum

from jobs import gates, submit_statement
from jobs.door import WHILE_BOOKED
from jobs.errors import NoRoom, QuotaExceeded
from jobs.models import Account, Door, Gate, Job, Line, Ticket, Tier
from scheduler import invariants
from scheduler.publisher import Publisher
from tests.factories import Person, cy, person, submit
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

COST = 4.0


def _line() -> Line:
    return Line.objects.get(tier_id="enterprise", kind="preview")


def _open(*, bound: float, work: float, has_gates: bool = False) -> None:
    line = _line()
    room = (WHILE_BOOKED * bound - work) / gates.COUNT if has_gates else 0.0
    Door.objects.update_or_create(
        line=line,
        defaults={
            "bound": bound, "drain": 1.0, "work": work, "added": 0.0, "lent": gates.COUNT * room,
        },
    )  # fmt: skip
    Gate.objects.filter(line=line).delete()
    for number in range(gates.COUNT):
        Gate.objects.create(line=line, number=number, room=room)


def _added() -> float:
    by_gates = Gate.objects.filter(line=_line()).aggregate(sum=Sum("added"))["sum"]
    return float(Door.objects.get(line=_line()).added + by_gates)


def _answer(owner: Person, key: str | None = None) -> str:
    try:
        submit(owner, key=key)
    except (NoRoom, QuotaExceeded) as refusal:
        return refusal.code
    return "accepted"


def _callers(count: int) -> list[Person]:
    return [person(f"caller-{number}", tier="enterprise") for number in range(count)]


@pytest.mark.parametrize("has_gates", [False, True], ids=["gates shut", "gates open"])
def test_fifty_callers_at_the_edge_of_the_door_are_as_many_as_fit(has_gates: bool) -> None:
    callers = _callers(50)
    _open(bound=100.0, work=0.0, has_gates=has_gates)

    answers = at_once.threads([partial(_answer, caller) for caller in callers])

    # 97 GPU-seconds of jobs of 4, until the first refusal opens the book: then 90.
    accepted = answers.count("accepted")
    door = Door.objects.get(line=_line())
    assert accepted in {22, 23, 24}
    refused = answers.count("tier_full")
    # At the very edge somebody may see room five times and never get it; that is told as it is.
    assert answers.count("quota_exceeded") == 50 - accepted - refused <= 2
    assert _added() == pytest.approx(accepted * COST)
    assert door.fullest <= 0.97
    assert door.lent == 0
    places = sorted(Ticket.objects.values_list("valid_from", flat=True))
    gaps = [(b - a).total_seconds() for a, b in pairwise(places)]
    # Every refused caller has a place of its own, a job's time after the one before.
    assert len(places) == refused
    assert min(gaps) > 0.9 * COST
    assert invariants.violations(grace=3600) == []


def _submit_beside(caller: Person, others: threading.Barrier) -> None:
    with transaction.atomic():
        submit(caller)
        # Whoever waited for another's transaction to end would never come here.
        others.wait(10)


def test_as_many_submissions_of_a_line_as_it_has_gates_wait_for_none_of_the_others() -> None:
    callers = _callers(gates.COUNT)
    _open(bound=1000.0, work=0.0, has_gates=True)
    barrier = threading.Barrier(len(callers))

    at_once.threads([partial(_submit_beside, caller, barrier) for caller in callers])

    assert _added() == pytest.approx(len(callers) * COST)
    assert Door.objects.get(line=_line()).added == 0


def test_a_job_that_fits_no_gate_and_fits_the_line_is_taken() -> None:
    callers = _callers(3)
    _open(bound=40.0, work=0.0, has_gates=True)

    assert [_answer(caller) for caller in callers] == ["accepted"] * 3

    assert _added() == pytest.approx(3 * COST)
    assert Door.objects.get(line=_line()).lent == 0
    assert not Gate.objects.filter(room__gt=0).exists()


@pytest.fixture
def without_second_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let submissions decide on the door as it was when they began."""
    lock = "and not exists (select from chosen)\n    for no key update of d\n"
    parts = gates.ENTER.replace(lock, lock.partition("\n")[0] + "\n")
    assert parts != gates.ENTER
    monkeypatch.setattr(gates, "ENTER", parts)
    submit_statement.of_one.cache_clear()
    yield
    submit_statement.of_one.cache_clear()


_DOOR = "select 1 from door for update"


def _six_behind_the_door() -> list[str]:
    callers = _callers(6)
    _open(bound=10.0, work=0.0)
    return at_once.behind(_DOOR, [partial(_answer, caller) for caller in callers])


def test_who_waited_for_the_door_decides_on_what_waits_now() -> None:
    assert _six_behind_the_door().count("accepted") == 2


@pytest.mark.usefixtures("without_second_look")
def test_with_what_waited_before_six_would_come_in() -> None:
    assert _six_behind_the_door().count("accepted") == 6


def test_a_ticket_shown_by_three_processes_at_once_lets_one_in() -> None:
    owner = cy()
    line = _line()

    def act(_at: int, number: int) -> str:
        return _answer(owner, key=f"{datetime.now(UTC)}-{number}")

    for _ in range(5):
        Ticket.objects.all().delete()
        _open(bound=1000.0, work=990.0)
        Ticket.objects.create(
            owner_id=owner.id,
            line=line,
            why="tier_full",
            fingerprint=b"x",
            valid_from=datetime.now(UTC) - timedelta(seconds=1),
            valid_until=datetime.now(UTC) + timedelta(seconds=60),
        )

        (answers,) = at_once.processes(3, rounds=1, act=act)

        assert sorted(answers) == ["accepted", "tier_full", "tier_full"]
        assert Ticket.objects.filter(job_id__isnull=False).count() == 1


@pytest.mark.parametrize(
    ("field", "limit"),
    [("submissions_per_minute", 20), ("jobs_per_day", 20), ("gpu_seconds_per_day", 80)],
)
def test_fifty_at_once_against_a_limit_of_the_plan_are_twenty(field: str, limit: int) -> None:
    owner = cy()
    Tier.objects.filter(name="enterprise").update(**{field: limit})

    answers = at_once.threads([partial(_answer, owner, f"key-{n}") for n in range(50)])

    account = Account.objects.get(owner_id=owner.id)
    assert answers.count("accepted") == 20
    assert answers.count("quota_exceeded") == 30
    assert (account.day_jobs, account.day_gpu_seconds) == (20, 80.0)
    assert Job.objects.count() == 20


def test_publishing_while_callers_come_in_loses_none_of_them() -> None:
    callers = _callers(8)
    Publisher().publish()

    def come(caller: Person) -> int:
        return sum(_answer(caller) == "accepted" for _ in range(10))

    def publish() -> int:
        publisher = Publisher()
        for _ in range(10):
            publisher.publish()
        return 0

    acts: list[Callable[[], int]] = [publish, *(partial(come, caller) for caller in callers)]
    made = sum(at_once.threads(acts))

    door = Door.objects.get(line=_line())
    assert made == Job.objects.count()
    assert door.work + _added() == pytest.approx(made * COST)
    assert door.bound is not None
    assert 0 < made * COST <= door.bound
