"""Asking asynchronous servers about their orders: by age and expected end, within each server's budget.

Claiming a question moves its time, so that any number of pollers share the work and one that dies leaves it
to the others. HTTP happens in threads; what was learned is written by the caller's own thread.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from jobs import orders
from jobs.backends import registry
from jobs.backends.backend import AsynchronousBackend, BackendError
from jobs.questions import PER_REQUEST, Answer, Batch, Deferred, Found, Question, Said, plan

logger = logging.getLogger(__name__)

# Requests under way at once, in all and to one server.
THREADS: Final = 16
_PER_POOL: Final = 6
# A claimed question is asked again after so many seconds, should its poller die.
_CLAIMED_FOR: Final = 20.0
# Questions of a server whose breaker is open, that are put off at once.
_LARGEST_CLAIM: Final = 500
_OPEN: Final = "The server gave no answers lately; it is asked again in a moment."

# Unused questions are kept for a moment, so that a loop that comes by a few times a second can spend them.
_KEPT_SECONDS: Final = 0.25
# The rest of a budget is what a moment's questions may come on top of: no second has more than the budget.
_SHARE: Final = 1 / (1 + _KEPT_SECONDS)
# What each server may be asked now (GCRA, ITU-T I.371). A breaker that is half open lets one through.
_BUDGETS: Final = f"""
with room as (
    select p.name, p.driver, p.polls_per_second * {_SHARE} as rate,
        greatest(p.polled_until, now() - make_interval(
            secs => greatest({_KEPT_SECONDS}, 1 / (p.polls_per_second * {_SHARE})))) as used_until,
        coalesce(p.breaker_until > now(), false) as is_open, p.unanswered >= 5 as is_half_open,
        (select count(*) from lease where pool_id = p.name) as in_flight
    from pool p where p.polls_per_second > 0
        and exists (select 1 from lease where pool_id = p.name and poll_at <= now())
    order by p.name for no key update of p
)
select name, driver, is_open, is_half_open, in_flight,
    greatest(0, floor(extract(epoch from now() - used_until) * rate + 1e-6))::int
from room
"""
_SPEND: Final = f"""
update pool set polled_until = greatest(polled_until, now() - make_interval(
        secs => greatest({_KEPT_SECONDS}, 1 / (polls_per_second * {_SHARE}))))
    + make_interval(secs => %s / (polls_per_second * {_SHARE}))
where name = %s
"""
# A question that waits for its server's budget is no reason to think that nobody follows its order.
_KEEP: Final = """
update lease set expires_at = now() + make_interval(secs => %(lease)s)
where poll_at <= now() and expires_at < now() + make_interval(secs => %(lease)s / 2)
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
        lease.estimate, due.is_hinted, lease.answered_at
)
select {orders.COLUMNS}, j.state,
    j.cancel_requested_at is not null or (j.finish_by <= now()) is true,
    c.stop_asked_at is not null, c.is_hinted,
    extract(epoch from now() - coalesce(a.started_at, a.submitted_at, c.granted_at))::float8,
    coalesce(r.median, c.estimate),
    extract(epoch from now() - coalesce(c.answered_at, c.granted_at))::float8
from claimed c join job j on j.id = c.job_id
join attempt a on a.job_id = c.job_id and a.number = c.attempt
join pool p on p.name = c.pool_id
left join run_time r on r.pool_name = c.pool_id and r.model = j.model
    and r.seconds = j.seconds and r.size = j.size
"""


class Poller:
    """Keeps questions under way; every process that runs one polls for all pools."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="poll")
        self._under_way: dict[Future[list[Answer]], str] = {}
        self._ready: list[Answer] = []

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._threads.shutdown(wait=True)

    def claim(self) -> int:
        """Send the questions that are due, within every budget; give how many there were."""
        batches, answered = _claim(Counter(self._under_way.values()))
        self._ready += answered
        for batch in batches:
            self._under_way[self._threads.submit(_ask, batch)] = batch.pool
        return sum(len(batch.questions) for batch in batches) + len(answered)

    def answers(self, *, timeout: float) -> list[Answer]:
        """Give what came back within `timeout` seconds, as soon as something did."""
        found, self._ready = self._ready, []
        if self._under_way:
            limit = 0.0 if found else timeout
            done, _ = wait(self._under_way, timeout=limit, return_when=FIRST_COMPLETED)
            for future in done:
                del self._under_way[future]
                found += future.result()
        return found

    @property
    def is_busy(self) -> bool:
        """Say whether questions are under way."""
        return bool(self._under_way)


def _claim(busy: Counter[str]) -> tuple[list[Batch], list[Answer]]:
    """Take what is due and affordable; what cannot be asked now is answered at once, to come again."""
    batches: list[Batch] = []
    answered: list[Answer] = []
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(_KEEP, {"lease": settings.LEASE_SECONDS})
        cursor.execute(_BUDGETS)
        for pool, driver, is_open, is_half_open, in_flight, requests in cursor.fetchall():
            room = min(requests, (1 if is_half_open else _PER_POOL) - busy[pool])
            many = registry.backend(driver).capabilities.asks_many
            by_list = many and in_flight <= PER_REQUEST
            limit = _LARGEST_CLAIM if is_open else room * (PER_REQUEST if by_list else 1)
            if limit <= 0:
                continue
            cursor.execute(_CLAIM, {"pool": pool, "limit": limit, "claim": _CLAIMED_FOR})
            questions = [_question(row) for row in cursor.fetchall()]
            if is_open:
                answered += _silence(questions, _OPEN, counts_request=False)
                continue
            planned, later = plan(
                pool, questions, requests=room, asks_many=many, in_flight=in_flight
            )
            if planned:
                cursor.execute(_SPEND, [len(planned), pool])
            batches += planned
            answered += [Answer(question=one, said=Deferred()) for one in later]
    return batches, answered


def _question(row: tuple[Any, ...]) -> Question:
    state, is_unwanted, is_stop_asked, is_hinted, ran_for, expected, silent_for = row[
        orders.COUNT :
    ]
    return Question(
        order=orders.of_row(row),
        state=state,
        is_unwanted=is_unwanted,
        is_stop_asked=is_stop_asked,
        is_hinted=is_hinted,
        ran_for=ran_for,
        expected=expected,
        silent_for=silent_for,
    )


def _ask(batch: Batch) -> list[Answer]:
    """Send one request, in a thread without a database, and give what it answered."""
    backend = registry.asynchronous(batch.questions[0].order.site.driver)
    if len(batch.questions) == 1:
        return [_ask_alone(backend, batch.questions[0])]
    try:
        told = backend.look_at_many([one.order for one in batch.questions])
    except BackendError as error:
        return _silence(batch.questions, str(error), counts_request=True)
    except Exception as bug:
        logger.exception("driver_broke", extra={"pool": batch.pool})
        return _silence(batch.questions, f"The driver broke: {bug!r}", counts_request=True)
    return [
        Answer(
            question=one,
            said=told.get(one.order.backend_job_id, Deferred()),
            counts_request=at == 0,
        )
        for at, one in enumerate(batch.questions)
    ]


def _ask_alone(backend: AsynchronousBackend, question: Question) -> Answer:
    order = question.order
    said: Said
    try:
        if not order.backend_job_id:
            said = Found(candidates=tuple(backend.candidates(order)))
        elif question.must_stop:
            said = backend.cancel(order)
        else:
            said = backend.look(order)
    except BackendError as error:
        # A refused cancel and a search that cannot tell are answers, if not the ones that were hoped for.
        is_look = bool(order.backend_job_id) and not question.must_stop
        return Answer(question=question, said=None, reason=str(error), counts_request=is_look)
    except Exception as bug:
        logger.exception("driver_broke", extra={"pool": order.site.pool})
        return Answer(question=question, said=None, reason=f"The driver broke: {bug!r}")
    return Answer(question=question, said=said)


def _silence(questions: Iterable[Question], reason: str, *, counts_request: bool) -> list[Answer]:
    return [
        Answer(question=one, said=None, reason=reason, counts_request=counts_request and at == 0)
        for at, one in enumerate(questions)
    ]
