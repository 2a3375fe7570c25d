"""Asking asynchronous servers about their orders: by age and expected end, within each server's budget.

Claiming a question moves its time, so that any number of pollers share the work and one that dies leaves it
to the others. HTTP happens in threads; what was learned is written by the caller's own thread.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, transaction

from jobs import orders
from jobs.backends import registry
from jobs.backends.backend import (
    AsynchronousBackend,
    BackendError,
    Cancellation,
    Failed,
    Finished,
    Gone,
    Order,
    Sighting,
    StillRunning,
    StillWaiting,
    Submitted,
)
from jobs.models import LearnedBy
from jobs.sealing import CannotOpen

logger = logging.getLogger(__name__)

# Requests under way at once, in all and to one server.
THREADS: Final = 16
_PER_POOL: Final = 6
# Orders that one question may cover, where a server has a list.
_PER_QUESTION: Final = 100
# A claimed question is asked again after so many seconds, should its poller die.
_CLAIMED_FOR: Final = 20.0
# Questions of a server whose breaker is open, that are put off at once.
_LARGEST_CLAIM: Final = 500
_OPEN: Final = "The server gave no answers lately; it is asked again in a moment."

# What each server may be asked now. Unused questions are kept for a second (GCRA, ITU-T I.371); a breaker
# that is half open lets one through.
_BUDGETS: Final = """
with room as (
    select p.name, p.driver, p.polls_per_second as rate,
        greatest(p.polled_until, now() - make_interval(secs => greatest(1, 1 / p.polls_per_second)))
            as used_until,
        coalesce(p.breaker_until > now(), false) as is_open, p.unanswered >= 5 as is_half_open
    from pool p where p.polls_per_second > 0
        and exists (select 1 from lease where pool_id = p.name and poll_at <= now())
    order by p.name for no key update of p
)
select name, driver, is_open, is_half_open,
    greatest(0, floor(extract(epoch from now() - used_until) * rate + 1e-6))::int
from room
"""
_SPEND: Final = """
update pool set polled_until = greatest(polled_until,
        now() - make_interval(secs => greatest(1, 1 / polls_per_second)))
    + make_interval(secs => %s / polls_per_second)
where name = %s
"""
_GIVE_BACK: Final = """
update pool set polled_until = polled_until - make_interval(secs => %s / polls_per_second)
where name = %s
"""
_CLAIM: Final = f"""
with due as (
    select job_id, is_hinted from lease
    where pool_id = %(pool)s and poll_at <= now()
    order by poll_at limit %(limit)s for update skip locked
), claimed as (
    update lease set poll_at = now() + make_interval(secs => %(claim)s) from due
    where lease.job_id = due.job_id
    returning lease.job_id, lease.attempt, lease.pool_id, lease.stop_asked_at, lease.granted_at,
        lease.estimate, due.is_hinted
)
select {orders.COLUMNS}, j.state,
    j.cancel_requested_at is not null or (j.finish_by <= now()) is true,
    c.stop_asked_at is not null, c.is_hinted,
    extract(epoch from now() - coalesce(a.started_at, a.submitted_at, c.granted_at))::float8,
    coalesce(r.median, c.estimate)
from claimed c join job j on j.id = c.job_id
join attempt a on a.job_id = c.job_id and a.number = c.attempt
join pool p on p.name = c.pool_id
left join run_time r on r.pool_name = c.pool_id and r.model = j.model
    and r.seconds = j.seconds and r.size = j.size
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One order to ask about, and what its next step depends on."""

    order: Order
    # The job's state, whether it shall stop, and whether the server was told so.
    state: str
    is_unwanted: bool
    is_stop_asked: bool
    # A webhook brought it forward.
    is_hinted: bool
    # How long it ran, and how long such videos take, seconds.
    ran_for: float
    expected: float

    @property
    def learned_by(self) -> LearnedBy:
        """Say how an end that this question finds was learned."""
        return LearnedBy.WEBHOOK if self.is_hinted else LearnedBy.POLL


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an order whose create was not answered may be on its server; empty when nothing there may be it."""

    candidates: tuple[Submitted, ...]


class Deferred:
    """The budget ended before this question: it comes again."""


# What came back for a question: what the server said, None for silence.
Said = (
    Finished | Failed | StillWaiting | StillRunning | Gone | Found | Cancellation | Deferred | None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A question and what the server said to it; `reason` says why it said nothing."""

    question: Question
    said: Said
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Questions to one server, and how many requests they may cost together."""

    pool: str
    questions: list[Question]
    requests: int


class Poller:
    """Keeps questions under way; every process that runs one polls for all pools."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="poll")
        self._under_way: dict[Future[tuple[list[Answer], int]], _Batch] = {}
        self._silent: list[Answer] = []

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._threads.shutdown(wait=True)

    def claim(self) -> int:
        """Send the questions that are due, within every budget; give how many there were."""
        busy = Counter(batch.pool for batch in self._under_way.values())
        batches, silent = _claim(busy)
        self._silent += silent
        for batch in batches:
            self._under_way[self._threads.submit(_ask, batch)] = batch
        return sum(len(batch.questions) for batch in batches) + len(silent)

    def answers(self, *, timeout: float) -> list[Answer]:
        """Give what came back within `timeout` seconds, as soon as something did."""
        found, self._silent = self._silent, []
        if self._under_way:
            limit = 0.0 if found else timeout
            done, _ = wait(self._under_way, timeout=limit, return_when=FIRST_COMPLETED)
            for future in done:
                batch = self._under_way.pop(future)
                answers, used = future.result()
                _give_back(batch, used=used)
                found += answers
        return found

    @property
    def is_busy(self) -> bool:
        """Say whether questions are under way."""
        return bool(self._under_way)


def _claim(busy: Counter[str]) -> tuple[list[_Batch], list[Answer]]:
    """Take what is due and affordable; the questions of an open breaker are answered by silence at once."""
    batches: list[_Batch] = []
    silent: list[Answer] = []
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_BUDGETS)
        for pool, driver, is_open, is_half_open, requests in cursor.fetchall():
            room = min(requests, _PER_POOL - busy[pool])
            if is_half_open:
                room = min(room, 1)
            many = _asks_many(driver)
            limit = _LARGEST_CLAIM if is_open else room * (_PER_QUESTION if many else 1)
            if limit <= 0:
                continue
            cursor.execute(_CLAIM, {"pool": pool, "limit": limit, "claim": _CLAIMED_FOR})
            questions = [found for row in cursor.fetchall() if (found := _question(row))]
            if is_open:
                silent += [Answer(question=one, said=None, reason=_OPEN) for one in questions]
            elif questions:
                needed = min(room, len(questions))
                cursor.execute(_SPEND, [needed, pool])
                batches += _parts(pool, questions, requests=needed, many=many)
    return batches, silent


def _parts(pool: str, questions: list[Question], *, requests: int, many: bool) -> list[_Batch]:
    """Ask many at once where a server can; else each alone, so that they do not wait for one another."""
    if many and len(questions) > requests:
        return [_Batch(pool=pool, questions=questions, requests=requests)]
    return [_Batch(pool=pool, questions=[one], requests=1) for one in questions]


def _asks_many(driver: str) -> bool:
    return registry.backend(driver).capabilities.asks_many


def _question(row: tuple[Any, ...]) -> Question | None:
    try:
        order = orders.of_row(row)
    except CannotOpen as error:
        logger.error("secret_not_opened", extra={"pool": row[8], "reason": str(error)})
        return None
    state, is_unwanted, is_stop_asked, is_hinted, ran_for, expected = row[orders.COUNT :]
    return Question(
        order=order,
        state=state,
        is_unwanted=is_unwanted,
        is_stop_asked=is_stop_asked,
        is_hinted=is_hinted,
        ran_for=ran_for,
        expected=expected,
    )


def _ask(batch: _Batch) -> tuple[list[Answer], int]:
    """Ask a server, in a thread without a database: answers, and how many requests it took."""
    backend = registry.asynchronous(batch.questions[0].order.site.driver)
    answers: list[Answer] = []
    used = 0
    alone = batch.questions
    if len(batch.questions) > 1:
        used = 1
        told, reason = _look_at_many(backend, [one for one in alone if _is_plain(one)])
        if reason:
            return [Answer(question=one, said=None, reason=reason) for one in alone], used
        answers += [
            Answer(question=one, said=told[one.order.backend_job_id])
            for one in alone
            if _is_plain(one) and one.order.backend_job_id in told
        ]
        alone = [one for one in alone if not _is_plain(one) or one.order.backend_job_id not in told]
    for at, one in enumerate(alone):
        if used >= batch.requests:
            answers += [Answer(question=late, said=Deferred()) for late in alone[at:]]
            break
        used += 1
        answers.append(_ask_alone(backend, one))
    return answers, used


def _ask_alone(backend: AsynchronousBackend, question: Question) -> Answer:
    order = question.order
    said: Said
    try:
        if not order.backend_job_id:
            said = Found(candidates=tuple(backend.candidates(order)))
        elif question.is_unwanted and not question.is_stop_asked:
            said = backend.cancel(order)
        else:
            said = backend.look(order)
    except BackendError as error:
        return Answer(question=question, said=None, reason=str(error))
    return Answer(question=question, said=said)


def _look_at_many(
    backend: AsynchronousBackend, questions: Sequence[Question]
) -> tuple[Mapping[str, Sighting], str]:
    try:
        return backend.look_at_many([one.order for one in questions]), ""
    except BackendError as error:
        return {}, str(error)


def _is_plain(question: Question) -> bool:
    """Tell a question that a list can answer from one that finds or stops."""
    must_stop = question.is_unwanted and not question.is_stop_asked
    return bool(question.order.backend_job_id) and not must_stop


def _give_back(batch: _Batch, *, used: int) -> None:
    if used < batch.requests:
        with connection.cursor() as cursor:
            cursor.execute(_GIVE_BACK, [batch.requests - used, batch.pool])
