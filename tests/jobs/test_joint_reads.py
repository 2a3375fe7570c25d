"""Reads that arrive while one is under way are one statement, and each gets what it would have got alone."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from django.http import QueryDict

from jobs import days, joint_reads, outlooks
from jobs.api import filters, rows
from jobs.joint_reads import JointRead, Values
from jobs.models import Lease
from tests.factories import ann, bob, cy, queued, running, succeeded

pytestmark = pytest.mark.django_db(transaction=True)

_SOON: Final = 30.0
_COUNT: Final = JointRead(
    "select number, %(word)s::text as word from generate_series(1, %(most)s::int) number",
    {"most": "int", "word": "text"},
)


def _rows(answers: Sequence[joint_reads.Answer]) -> list[list[tuple[Any, ...]]]:
    return [answer.rows() for answer in answers]


def test_several_get_what_each_would_get_alone() -> None:
    asked: list[Values] = [
        {"most": 2, "word": "a"}, {"most": 0, "word": "b"}, {"most": 1, "word": None},
    ]  # fmt: skip

    together, alone = _COUNT._ask(asked), [_COUNT._ask([each])[0] for each in asked]

    assert _rows(together) == _rows(alone) == [[(1, "a"), (2, "a")], [], [(1, None)]]
    assert [len(answer) for answer in together] == [2, 0, 1]
    assert [together[0].text(1, 0), together[0].text(1, 1), together[2].text(0, 1)] == [
        "2",
        "a",
        "",
    ]
    # Whoever comes later reads its rows when it likes.
    assert together[2].rows() == [(1, None)]
    assert together[0].rows() == [(1, "a"), (2, "a")]


def test_reads_of_the_api_find_the_same_together_as_alone() -> None:
    people = [ann(), bob(), cy()]
    for person in people[:2]:
        jobs = [succeeded(person).id, running(person).id, queued(person), queued(person)]
        Lease.objects.filter(job=jobs[1]).update(percent=40)
        of_one: list[Values] = [
            {"job": job, "owner": owner.id, "also_hidden": False}
            for job in jobs
            for owner in people
        ]
        found = _same(rows._ONE, of_one)
        assert [len(each) for each in found] == [
            int(asked["owner"] == person.id) for asked in of_one
        ]
        assert _stamps(found, jobs) == [
            rows.stamp_of(rows.one(job, owner_id=person.id)) for job in jobs
        ]
    of_lanes = [{"owner": person.id, "jobs": named} for person in people for named in (None, "{}")]
    assert any(_same(outlooks._OWN, of_lanes))
    for query in ("day=all", "", "day=all&status=live"):
        wanted = filters.read(QueryDict(query), zone=days.zone("UTC"))
        pages = [wanted.parameters(person.id, window=rows.WINDOW) for person in people]
        ((one,), (other,), (none,)) = _same(rows._page_read(wanted.shape), pages)
        assert one[0]
        assert other[0]
        assert one[0] != other[0]
        assert none == (None, None)


def _same(read: JointRead, asked: Sequence[Values]) -> list[list[tuple[Any, ...]]]:
    together = _rows(read._ask(asked))
    assert together == [joint_reads.alone(read.statement, each).rows() for each in asked]
    return together


def _stamps(found: list[list[tuple[Any, ...]]], jobs: Sequence[UUID]) -> list[str]:
    read = [dict(zip(rows._NAMES, each[0], strict=True)) for each in found if each]
    assert [row["id"] for row in read] == list(jobs)
    return [rows.stamp_of(row) for row in read]


def test_those_who_ask_meanwhile_share_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    led = _Led(joint_reads._led)
    monkeypatch.setattr(joint_reads, "_led", led)

    found = _asked_by_threads(led, 4)

    assert found == {n: [(number, f"w{n}") for number in range(1, n + 1)] for n in range(1, 5)}
    assert led.statements == [_COUNT.statement, _COUNT.together]


def test_when_a_shared_statement_breaks_only_who_led_it_hears_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led = _Led(joint_reads._led, breaks=True)
    monkeypatch.setattr(joint_reads, "_led", led)

    found = _asked_by_threads(led, 4)

    assert [type(one) for one in found.values()].count(OperationalError) == 1
    assert min(n for n, one in found.items() if isinstance(one, list)) == 1
    assert len([one for one in found.values() if isinstance(one, list)]) == 3


def test_what_ones_own_transaction_wrote_is_seen_in_it_alone() -> None:
    owner = ann()
    with transaction.atomic():
        job_id = queued(owner)
        assert rows.one(job_id, owner_id=owner.id)["state"] == "queued"
        beside = rows._ONE._ask([{"job": job_id, "owner": owner.id, "also_hidden": False}])
        assert _rows(beside) == [[]]


class _Led:
    """Runs statements; holds the first until it may go on, and breaks on one for several if it is told to."""

    def __init__(self, run: Callable[..., Any], *, breaks: bool = False) -> None:
        self._run, self._breaks = run, breaks
        self.statements: list[str] = []
        self.began, self.may_end = threading.Event(), threading.Event()

    def __call__(self, statement: str, values: Values) -> Any:
        self.statements.append(statement)
        if len(self.statements) == 1:
            self.began.set()
            assert self.may_end.wait(_SOON)
        if self._breaks and statement == _COUNT.together:
            raise OperationalError("The connection is lost.")
        return self._run(statement, values)


def _asked_by_threads(led: _Led, count: int) -> dict[int, Any]:
    found: dict[int, Any] = {}

    def ask(n: int) -> None:
        try:
            found[n] = _COUNT.ask({"most": n, "word": f"w{n}"}).rows()
        except OperationalError as error:
            found[n] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(1, count + 1)]
    threads[0].start()
    assert led.began.wait(_SOON)
    for number, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(_COUNT._combiner._waiting) < number:
            assert thread.is_alive()
    led.may_end.set()
    for thread in threads:
        thread.join(_SOON)
        assert not thread.is_alive()
    return found
