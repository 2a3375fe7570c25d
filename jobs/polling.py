"""Asking asynchronous servers about their orders: by age and expected end, within each server's budget.

Claiming a question moves its time, so that any number of pollers share the work and one that dies leaves it
to the others. HTTP happens in threads; what was learned is written by the caller's own thread.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any, Final

from django.conf import settings
from django.db import connection, transaction

from jobs import budgets, orders, poll_policy
from jobs.backends import registry
from jobs.backends.backend import AsynchronousBackend, BackendError, OverBudget
from jobs.ids import JobId
from jobs.questions import (
    LISTED_WITHIN,
    Answer,
    Batch,
    Deferred,
    Found,
    NotListed,
    Question,
    Said,
    pages_of,
    plan,
)
from notifications import prepared

logger = logging.getLogger(__name__)

# Threads, which exist only while so many requests are under way. One server has its share of them and at
# most so many, so that one that is slow leaves the others theirs.
_THREADS: Final = 64
_PER_POOL: Final = 6
# A claimed question is asked again after so many seconds, should its poller die.
_CLAIMED_FOR: Final = 20.0
# Questions that are claimed at once: as many as a list may answer, and of a server whose breaker is open.
_LARGEST_CLAIM: Final = 2_000
_LARGEST_PUT_OFF: Final = 500
# A list of many pages is read at most so often; what becomes due meanwhile is in the next one. Seconds.
_ROUND: Final = 1.0
# What a list told so lately it need not tell again, seconds.
_FRESH: Final = 3.0
# What a list did not name is asked about alone for so many seconds.
_UNLISTED_FOR: Final = 60.0
_OPEN: Final = "The server gave no answers lately; it is asked again in a moment."

# Orders are looked through so often without being told of one, seconds.
_REST: Final = 1.0

# One entry of `lease_to_poll` for each pool.
_FIRST_DUE: Final = """
select extract(epoch from min(first.poll_at) - now())::float8 from pool cross join lateral (
    select poll_at from lease where lease.pool_id = pool.name and poll_at is not null
    order by poll_at limit 1
) first
"""
# What each server may be asked now. A breaker that is half open lets one through.
_BUDGETS: Final = f"""
with room as (
    select p.name, p.driver, {budgets.RATE} as rate, {budgets.USED_UNTIL} as used_until,
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
# A question that waits for its server's budget is no reason to think that nobody follows its order.
_KEEP: Final = """
update lease set expires_at = now() + make_interval(secs => %(lease)s)
where poll_at <= now() and expires_at < now() + make_interval(secs => %(lease)s / 2)
"""
# A list tells of those too that are not due yet, unless another poller has just claimed them.
_CLAIM: Final = f"""
with due as (
    select job_id, is_hinted from lease
    where pool_id = %(pool)s and poll_at <= now() + make_interval(secs => %(ahead)s)
        and (poll_at <= now() or (stop_asked_at is null and answered_at
            between now() - make_interval(secs => %(listed)s) and now() - make_interval(secs => %(fresh)s)))
        and (%(only)s::uuid[] is null or is_hinted or job_id = any(%(only)s))
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
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="poll")
        self._under_way: dict[Future[list[Answer]], Batch] = {}
        self._ready: list[Answer] = []
        # On the monotonic clock: when a pool's list of many pages may be read again, and until when a job is
        # asked about alone.
        self._next_round: dict[str, float] = {}
        self._unlisted: dict[JobId, float] = {}
        # Seconds for which nothing is due that is known of.
        self.rest = 0.0

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        self._threads.shutdown(wait=True)

    def claim(self) -> int:
        """Send the questions that are due, within every budget; give how many there were."""
        [(wait,)] = prepared.run(_FIRST_DUE, [])
        self.rest = _REST if wait is None else min(_REST, wait)
        if wait is None or wait > 0:
            return 0
        sent = 0
        batches: list[Batch] = []
        busy = Counter(batch.pool for batch in self._under_way.values())
        with transaction.atomic(durable=True), connection.cursor() as cursor:
            cursor.execute(_KEEP, {"lease": settings.LEASE_SECONDS})
            cursor.execute(_BUDGETS)
            rows = cursor.fetchall()
            share = min(_PER_POOL, max(1, _THREADS // max(1, len(rows))))
            for pool, driver, is_open, is_half_open, in_flight, requests in rows:
                if is_open:
                    put_off = _claimed(pool, limit=_LARGEST_PUT_OFF)
                    self._ready += _silence(put_off, _OPEN, counts_request=False)
                    sent += len(put_off)
                    continue
                room = min(requests, (1 if is_half_open else share) - busy[pool])
                if room <= 0:
                    continue
                planned, later = self._plan(pool, driver, room=room, in_flight=in_flight)
                cursor.execute(budgets.SPEND, [len(planned), pool])
                batches += planned
                self._ready += [Answer(question=one, said=Deferred()) for one in later]
                sent += len(later) + sum(len(batch.questions) for batch in planned)
        for batch in batches:
            if batch.is_list:
                self._next_round[batch.pool] = time.monotonic() + _ROUND
            self._under_way[self._threads.submit(_ask, batch)] = batch
        return sent

    def answers(self, *, timeout: float) -> list[Answer]:
        """Give what came back within `timeout` seconds, as soon as something did."""
        found, self._ready = self._ready, []
        if self._under_way:
            limit = 0.0 if found else timeout
            done, _ = wait(self._under_way, timeout=limit, return_when=FIRST_COMPLETED)
            for future in done:
                del self._under_way[future]
                told = future.result()
                until = time.monotonic() + _UNLISTED_FOR
                for one in told:
                    if isinstance(one.said, NotListed):
                        self._unlisted[one.question.order.job_id] = until
                found += told
        return found

    @property
    def is_busy(self) -> bool:
        """Say whether questions are under way."""
        return bool(self._under_way)

    def _plan(
        self, pool: str, driver: str, *, room: int, in_flight: int
    ) -> tuple[list[Batch], list[Question]]:
        """Claim what so many requests may answer, and share them out."""
        asks_many = registry.backend(driver).capabilities.asks_many
        if asks_many and self._is_between_rounds(pool, in_flight):
            # What needs a question of its own does not wait for the next list.
            asks_many = False
            questions = _claimed(pool, limit=room, only=list(self._unlisted))
        elif asks_many:
            questions = _claimed(pool, limit=_LARGEST_CLAIM, ahead=poll_policy.LONGEST)
        else:
            questions = _claimed(pool, limit=room)
        return plan(
            pool,
            self._marked(questions),
            requests=room,
            asks_many=asks_many,
            in_flight=in_flight,
        )

    def _marked(self, questions: Sequence[Question]) -> list[Question]:
        """Note which of them a list did not name lately."""
        now = time.monotonic()
        self._unlisted = {job_id: until for job_id, until in self._unlisted.items() if until > now}
        return [
            replace(one, is_unlisted=True) if one.order.job_id in self._unlisted else one
            for one in questions
        ]

    def _is_between_rounds(self, pool: str, in_flight: int) -> bool:
        if pages_of(in_flight) == 1:
            return False
        is_reading = any(batch.pool == pool and batch.is_list for batch in self._under_way.values())
        return is_reading or time.monotonic() < self._next_round.get(pool, 0.0)


def _claimed(
    pool: str, *, limit: int, ahead: float = 0.0, only: Sequence[JobId] | None = None
) -> list[Question]:
    """Take what is due, the longest due first. Part of a transaction that holds the pool's row.

    `ahead` takes what is due within so many seconds too, where nothing was heard of it for a while; `only`
    takes nothing but these and what a webhook told of.
    """
    values: dict[str, Any] = {
        "pool": pool,
        "only": None if only is None else list(only),
        "limit": limit,
        "claim": _CLAIMED_FOR,
        "ahead": ahead,
        "fresh": _FRESH,
        "listed": LISTED_WITHIN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, values)
        return [_question(row) for row in cursor.fetchall()]


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
    """Ask in a thread; its database is used only where one request is not enough, and then let go."""
    backend = registry.asynchronous(batch.questions[0].order.site.driver)
    try:
        with budgets.asking(batch.pool, prepaid=1):
            if len(batch.questions) == 1:
                return [_ask_alone(backend, batch.questions[0])]
            return _ask_many(backend, batch)
    except OverBudget:
        return [Answer(question=one, said=Deferred()) for one in batch.questions]
    finally:
        connection.close()


def _ask_many(backend: AsynchronousBackend, batch: Batch) -> list[Answer]:
    wanted = [one.order for one in batch.questions]
    try:
        told = backend.look_at_many(wanted, pages=batch.pages)
    except OverBudget:
        raise
    except BackendError as error:
        return _silence(batch.questions, str(error), counts_request=True)
    except Exception as bug:  # a driver that breaks is as silent as a server that does
        jobs = [str(order.job_id) for order in wanted]
        logger.exception("driver_broke", extra={"pool": batch.pool, "jobs": jobs})
        return _silence(batch.questions, f"The driver broke: {bug!r}", counts_request=True)
    return [
        Answer(
            question=one,
            said=told.get(one.order.backend_job_id, NotListed()),
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
    except OverBudget:
        raise
    except BackendError as error:
        # A refused cancel and a search that cannot tell are answers, if not the ones that were hoped for.
        is_look = bool(order.backend_job_id) and not question.must_stop
        return Answer(question=question, said=None, reason=str(error), counts_request=is_look)
    except Exception as bug:  # as above
        logger.exception("driver_broke", extra={"job": str(order.job_id), "pool": order.site.pool})
        return Answer(question=question, said=None, reason=f"The driver broke: {bug!r}")
    return Answer(question=question, said=said)


def _silence(questions: Iterable[Question], reason: str, *, counts_request: bool) -> list[Answer]:
    return [
        Answer(question=one, said=None, reason=reason, counts_request=counts_request and at == 0)
        for at, one in enumerate(questions)
    ]
