"""A real dispatcher, broker and worker: one message for each free thread, and Redis keeps nothing that is missed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connection

from jobs import queues
from jobs.models import Attempt, Job, JobTransition, Lease, Pool
from scheduler import invariants
from tests.factories import ann, queued

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def _process(*arguments: str) -> Iterator[None]:
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        # Nobody sweeps here, so a lease outlasts the slowest machine's work.
        env={**os.environ, "DATABASE_URL": url, "LEASE_SECONDS": "300"},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()


def _until(question: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 90
    while not question():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def test_nothing_is_fetched_ahead_and_a_redis_that_forgets_changes_no_order() -> None:
    owner = ann()
    Pool.objects.update(slots=1)
    jobs = [queued(owner) for _ in range(3)]
    broker = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    queue = queues.of("preview", "pro")

    with _process("gpu_worker", "--pool", "preview"), _process("run", "dispatcher"):
        _until(lambda: Attempt.objects.filter(started_at__isnull=False).exists())
        # One more slot than the worker has threads: its message has to wait somewhere.
        Pool.objects.update(slots=2)
        _until(lambda: Lease.objects.count() == 2 and broker.llen(queue) > 0)
        running = Lease.objects.get(picked_up_at__isnull=False)
        waited = 0
        while Lease.objects.filter(job_id=running.job_id).exists():
            found = broker.llen(queue)
            if Lease.objects.filter(job_id=running.job_id, percent__lt=90).exists():
                # More where it was said again, because nobody took it.
                assert found >= 1
                waited += 1
        broker.flushall()
        _until(lambda: Job.objects.filter(state="succeeded").count() == 3)

    assert waited
    granted = JobTransition.objects.filter(cause="grant").order_by("id")
    assert list(granted.values_list("job_id", "attempt")) == [(job_id, 1) for job_id in jobs]
    assert invariants.violations(grace=3600) == []
