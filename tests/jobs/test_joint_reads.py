"""Reads that arrive while one is under way are one statement, and each gets what it would have got alone."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from django.db import OperationalError, connection, transaction
from django.http import QueryDict
from django.utils import timezone
from psycopg import errors

from jobs import days, joint_reads, outlooks
from jobs.api import filters, rows
from jobs.joint_reads import JointRead, Values
from jobs.models import Job, Lease
from tests.factories import Person, ann, bob, cy, queued, running, succeeded

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

    together, alone = _COUNT.ask_together(asked), [_COUNT.ask_together([each])[0] for each in asked]

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
        read = [rows.one(job, owner_id=person.id) for job in jobs]
        assert [row["id"] for row in read] == jobs
        stamps = _same(rows._STAMP_OF_ONE, of_one)
        assert [each[0][0] for each in stamps if each] == [rows.stamp_of(row) for row in read]
        told = _same(rows._TOLD, of_one)
        assert [[row[1:-1] for row in each] for each in told] == found
        assert [[row[:1] for row in each] for each in told] == stamps
    waiting = {person: _ids(person, "queued") for person in people}
    of_lanes: list[Values] = [
        {"owner": person.id, "jobs": "{" + ",".join(named) + "}"}
        for person in people
        for named in (waiting[person], waiting[person][:1], [])
    ]
    assert [len(each) for each in _same(outlooks._OWN, of_lanes)] == [2, 1, 1, 2, 1, 1, 0, 0, 0]
    for query in ("day=all", "", "day=all&status=live"):
        wanted = filters.read(QueryDict(query), zone=days.zone("UTC"))
        pages = [wanted.parameters(person.id, window=rows.WINDOW) for person in people]
        ((one,), (other,), (none,)) = _same(rows._page_read(wanted.shape), pages)
        assert one[0]
        assert other[0]
        assert one[0] != other[0]
        assert none == (None, None)


def test_pages_that_go_on_and_hidden_jobs_are_found_the_same_together_as_alone() -> None:
    first = filters.read(QueryDict("day=all&limit=1"), zone=days.zone("UTC"))
    pages: list[Values] = []
    hidden: list[Values] = []
    ended = {person: succeeded(person).id for person in (ann(), bob())}
    for person, gone in ended.items():
        Job.objects.filter(id=gone).update(hidden_at=timezone.now())
        hidden += [{"job": gone, "owner": person.id, "also_hidden": also} for also in (True, False)]
        queued(person)
        queued(person)
        following = replace(first, cursor=rows.page(first, owner_id=person.id).next)
        pages.append(following.parameters(person.id, window=rows.WINDOW))

    assert [len(each) for each in _same(rows._ONE, hidden)] == [1, 0, 1, 0]
    ((one,), (other,)) = _same(rows._page_read(following.shape), pages)
    assert one[0].endswith("q")
    assert "," not in one[0] + other[0]
    assert one[0] != other[0]


def _ids(person: Person, state: str) -> list[str]:
    found = Job.objects.filter(owner_id=person.id, state=state).values_list("id", flat=True)
    return [str(job_id) for job_id in found]


def _same(read: JointRead, asked: Sequence[Values]) -> list[list[tuple[Any, ...]]]:
    together = _rows(read.ask_together(asked))
    assert together == [joint_reads.alone(read.statement, each).rows() for each in asked]
    return together


def test_those_who_ask_meanwhile_share_a_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    led = _Led(joint_reads._led)
    monkeypatch.setattr(joint_reads, "_led", led)

    found = _asked_by_threads(led, 4)

    assert found == {n: [(number, f"w{n}") for number in range(1, n + 1)] for n in range(1, 5)}
    assert led.statements == [_COUNT.statement, _COUNT.together]


def test_when_the_shared_connection_breaks_all_get_their_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    led = _Led(joint_reads._led, breaks="select pg_terminate_backend(pg_backend_pid())")
    monkeypatch.setattr(joint_reads, "_led", led)

    found = _asked_by_threads(led, 4)

    assert found == {n: [(number, f"w{n}") for number in range(1, n + 1)] for n in range(1, 5)}
    assert led.statements == [_COUNT.statement, _COUNT.together]


def test_a_limit_of_time_is_told_to_all_who_met_it(monkeypatch: pytest.MonkeyPatch) -> None:
    led = _Led(joint_reads._led, breaks="select pg_cancel_backend(pg_backend_pid()), pg_sleep(9)")
    monkeypatch.setattr(joint_reads, "_led", led)

    found = _asked_by_threads(led, 4)

    assert found.pop(1) == [(1, "w1")]
    assert [type(one) for one in found.values()] == [OperationalError] * 3
    assert {type(one.__cause__) for one in found.values()} == {errors.QueryCanceled}
    assert len({id(one) for one in found.values()}) == 3


def test_values_that_an_array_would_read_otherwise_are_refused() -> None:
    with pytest.raises(ValueError, match="an id, a number or a moment"):
        _COUNT.ask_together([{"most": 1, "word": 'x","y'}, {"most": 1, "word": "z"}])


def test_what_ones_own_transaction_wrote_is_seen_in_it_alone() -> None:
    owner = ann()
    with transaction.atomic():
        job_id = queued(owner)
        assert rows.one(job_id, owner_id=owner.id)["state"] == "queued"
        beside = rows._ONE.ask_together([{"job": job_id, "owner": owner.id, "also_hidden": False}])
        assert _rows(beside) == [[]]


class _Led:
    """Runs statements; holds the first until it may go on. Of one for several runs what breaks, if it is told to."""

    def __init__(self, run: Callable[..., Any], *, breaks: str = "") -> None:
        self._run, self._breaks = run, breaks
        self.statements: list[str] = []
        self.began, self.may_end = threading.Event(), threading.Event()

    def __call__(self, statement: str, values: Values) -> Any:
        self.statements.append(statement)
        if len(self.statements) == 1:
            self.began.set()
            assert self.may_end.wait(_SOON)
        if self._breaks and statement == _COUNT.together:
            return self._run(self._breaks, {})
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
