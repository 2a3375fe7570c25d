"""Submit, get, list and grant on a database with a history, by turns: a process of `bin/bench growth`.

`python -m bench.aged COUNT SECONDS` prints a line when it is ready; then, for each act that its input names, how often
a second it did that.
"""

import sys
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Final
from uuid import UUID, uuid4

import django

django.setup()

from django.db import connection, transaction  # noqa: E402 - only now is Django set up

from bench import history  # noqa: E402 - only now is Django set up
from jobs import days, requests, submission, transitions  # noqa: E402
from jobs.api import filters, rows  # noqa: E402
from jobs.backends.backend import Video  # noqa: E402
from jobs.idempotency import Claim  # noqa: E402
from jobs.ids import JobId  # noqa: E402
from jobs.models import Backlog, Job, LearnedBy, Lease, Pool  # noqa: E402
from jobs.transitions import Success  # noqa: E402
from notifications.relay import Relay  # noqa: E402
from scheduler import dispatch  # noqa: E402

# Every second account submits and the others read, as many as the small database has: among its few accounts those who
# read would have a page of new jobs otherwise, and among many an old one.
_READERS: Final = 50
_SLOTS: Final = 4
_SOME: Final = 300
# The indexes into which a submission writes anywhere, and what is known of accounts, read as a whole: a server that
# runs has them in its memory.
_WARM: Final = """
set local statement_timeout = 0; set local enable_seqscan = off; set local enable_sort = off;
set local enable_bitmapscan = off; set local max_parallel_workers_per_gather = 0;
select count(*) from (select from job order by owner_id, created_at desc, id desc offset 0) by_owner;
select count(*) from (select from job where finished_at is not null and hidden_at is null
    order by owner_id, created_at desc, id desc offset 0) ended_by_owner;
select count(*) from (select from job where idempotency_key is not null
    order by owner_id, idempotency_key offset 0) by_key;
select count(*) from (select from ledger_entry order by account_id, id desc offset 0) by_account;
select count(account) from account; select count(lane) from lane; select count(feed_head) from feed_head
"""
_ALL_DAYS: Final = filters.Filter(zone=days.zone("UTC"), day=None)
_VIDEO: Final = Video(url="https://videos.example/1.mp4", thumbnail_url="")
_WANTED: Final = requests.read({"prompt": "A lighthouse at dusk, waves", "seconds": 4})


class Acts:
    """What is measured; each gives how often a second it was done."""

    def __init__(self, count: int) -> None:
        self._chance = Random(count)
        self._count, self._owners = count, count // history.OF_AN_OWNER
        last = Job.objects.filter(owner_id=UUID(int=self._owners), idempotency_key=f"key-{count}")
        self._newest = last.values_list("created_at", flat=True).get()
        _end_everything()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_WARM)
        self._known = self._read_once()
        Pool.objects.update(slots=_SLOTS)
        self._submit_some()
        self.grant(0.0)

    def submit(self, seconds: float) -> float:
        """Submit for any account that submits."""
        return _repeat(self._submit, seconds)

    def get(self, seconds: float) -> float:
        """Read jobs of some accounts, one by one."""
        return _repeat(self._get, seconds)

    def get_any(self, seconds: float) -> float:
        """Read any jobs, of which hardly one was read before where there are many."""
        return _repeat(self._get_any, seconds)

    def list(self, seconds: float) -> float:
        """Read the newest page of one of these accounts."""
        return _repeat(self._list, seconds)

    def grant(self, seconds: float) -> float:
        """Grant free slots. What was granted ends at once, and more is submitted when nothing waits: not measured."""
        count, took = 0, 0.0
        while took < seconds:
            began = time.perf_counter()
            granted = dispatch.grant_free_slots()
            took += time.perf_counter() - began
            count += len(granted)
            _end([(one.job_id, one.attempt) for one in granted])
            if len(granted) < _SLOTS:
                self._submit_some()
        return count / took if took else 0.0

    def _submit(self) -> None:
        submission.submit(
            _WANTED,
            owner_id=UUID(int=2 + 2 * self._chance.randrange(self._owners // 2)),
            claim=Claim.by_key(str(uuid4())),
        )

    def _submit_some(self) -> None:
        for _ in range(_SOME):
            self._submit()

    def _get(self) -> None:
        job_id, owner_id = self._chance.choice(self._known)
        rows.find(job_id, owner_id=owner_id)

    def _get_any(self) -> None:
        number = self._chance.randint(1, self._count)
        job_id, owner_id = history.job_of(number, self._count, newest=self._newest)
        rows.find(job_id, owner_id=owner_id)

    def _list(self) -> None:
        rows.page(_ALL_DAYS, owner_id=self._chance.choice(self._known)[1])

    def _read_once(self) -> Sequence[tuple[UUID, UUID]]:
        """Choose whose jobs are read, and read each; give them with their owners."""
        chosen = self._chance.sample(range(self._owners // 2), min(_READERS, self._owners // 2))
        readers = [UUID(int=1 + 2 * number) for number in chosen]
        known = Job.objects.filter(owner_id__in=readers).values_list("id", "owner_id")
        for job_id, owner_id in (found := [*known]):
            rows.find(job_id, owner_id=owner_id)
        for reader in readers:
            rows.page(_ALL_DAYS, owner_id=reader)
        return found


def _end_everything() -> None:
    """End what waits, runs or is to be told since an earlier measurement, so that all is as it was filled."""
    _end([*Lease.objects.values_list("job_id", "attempt")])
    for job_id in [*Backlog.objects.values_list("job_id", flat=True)]:
        transitions.withdraw(JobId(job_id), why="It was for a measurement.")
    relay = Relay()
    while relay.step():
        pass


def _end(granted: Sequence[tuple[UUID, int]]) -> None:
    ended = [
        Success(job_id=JobId(job_id), attempt=attempt, video=_VIDEO, learned_by=LearnedBy.POLL)
        for job_id, attempt in granted
    ]
    transitions.succeed_together(ended)


def _repeat(act: Callable[[], None], seconds: float) -> float:
    count, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        act()
        count += 1
    return count / took


def main(count: int, seconds: float) -> None:
    """Get ready, and do what the input says."""
    acts = Acts(count)
    print(0.0, flush=True)
    for line in sys.stdin:
        print(getattr(acts, line.strip())(seconds), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
