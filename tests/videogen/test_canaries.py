"""A worker that stopped consuming looks alive: canaries tell, and whoever supervises it starts it anew."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from jobs import leases, queues
from jobs.ids import JobId
from jobs.models import Lease, Pool
from scheduler.models import Canary
from tests.factories import ann, running
from videogen import canaries, pulse
from videogen.embedded import places
from videogen.embedded.processes import Program
from videogen.embedded.supervision import Supervisor
from videogen.embedded.watch import Watch

pytestmark = pytest.mark.django_db(transaction=True)


def _age(queue: str, seconds: float) -> None:
    past = Now() - timedelta(seconds=seconds)
    Canary.objects.filter(queue=queue).update(heard_at=past, known_at=past)


def _sent_to(queue: str) -> int:
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as broker:
        return int(broker.llen(queue))


def test_every_queue_that_somebody_should_consume_has_an_age() -> None:
    ann()
    Pool.objects.update(paid_reserved=1)
    canaries.Aviary().step()

    wanted = {canaries.UPKEEP, *queues.of_pool("preview")}
    assert set(canaries.ages()) == wanted
    assert all(age < 3600 for age in canaries.ages().values())

    # Nobody need consume for a pool that takes nothing.
    Pool.objects.update(state="paused")
    canaries.Aviary().step()
    assert set(canaries.ages()) == {canaries.UPKEEP}


def test_only_silent_queues_get_a_canary_and_no_pile_grows_where_nobody_listens() -> None:
    ann()
    silent, spoken = queues.of("preview", "pro"), queues.of("preview", "free")
    aviary = canaries.Aviary()
    aviary.step()
    _age(silent, 600)
    aviary._due = 0
    for _ in range(5):
        aviary.step()
        aviary._due = 0

    assert _sent_to(silent) == 1
    assert _sent_to(spoken) == 0
    assert canaries.ages()[silent] >= 600


def test_a_worker_that_generates_in_every_thread_is_heard_by_its_leases() -> None:
    job = running(ann())
    leases.pick_up(JobId(job.id), attempt=1, worker="gpu.preview@gpu-7")
    Pool.objects.update(slots=1)
    canaries.Aviary().step()
    queue = queues.of("preview", "pro")
    _age(queue, 600)
    assert canaries.ages()[queue] < canaries.EVERY

    # It is stopped: nobody renews.
    Lease.objects.update(expires_at=F("expires_at") - timedelta(seconds=500))
    assert canaries.ages()[queue] >= 300


@pytest.fixture
def upkeep(tmp_path: Path) -> Iterator[Watch]:
    """Give the watch over a supervisor with a real worker on the test's own database."""
    places.prepare(tmp_path)
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
    worker = Program(
        name="upkeep",
        command=(
            sys.executable, "-m", "celery", "-A", "videogen.celery", "worker", "--hostname", "upkeep@test",
            "--queues", "upkeep", "--pool", "threads", "--concurrency", "1", "--loglevel", "WARNING",
            "--without-mingle", "--without-gossip", "--without-heartbeat",
        ),
        priority=1,
        patience=2,
        starts_by_itself=True,
    )  # fmt: skip
    supervisor = Supervisor(tmp_path, places.runtime_dir(tmp_path))
    supervisor.start([worker], environment={**os.environ, "DATABASE_URL": url})
    yield Watch(supervisor=supervisor, programs=[worker], patience=6.0, say=lambda _: None)
    supervisor.stop(patience=20)
    places.remove_runtime_dir(tmp_path)


def _until(question: Callable[[], object]) -> None:
    ends_at = time.monotonic() + 150
    while not question():
        assert time.monotonic() < ends_at
        time.sleep(0.1)


def _heard_at() -> object:
    found = Canary.objects.filter(queue=canaries.UPKEEP)
    return found.values_list("heard_at", flat=True).first()


def _sings_after(before: object) -> bool:
    canaries.send(canaries.UPKEEP)
    time.sleep(0.2)
    return _heard_at() != before


@pytest.mark.long
def test_a_worker_that_is_stopped_is_found_and_started_anew(upkeep: Watch) -> None:
    supervisor = upkeep.supervisor
    _until(lambda: _sings_after(None))
    first, heard_at = supervisor.pid_of("upkeep"), _heard_at()
    assert upkeep.look() == []

    os.kill(first, signal.SIGSTOP)
    _until(lambda: upkeep.look() == ["upkeep"])

    _until(lambda: _sings_after(heard_at))
    assert supervisor.pid_of("upkeep") not in {0, first}
    assert not psutil.pid_exists(first)


class _Consumer:
    """As much of a worker's consumer as its pulse asks for."""

    class pool:  # noqa: N801 - an attribute of the real one
        num_processes = 1

    hostname = "gpu.preview@deaf"


def test_a_worker_that_takes_nothing_though_it_has_room_ends_itself_and_a_busy_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(pulse, "PATIENCE", 0.2)
    monkeypatch.setattr(pulse, "GLANCE", 0.05)
    monkeypatch.setattr(pulse, "_EVERY", 0.05)
    monkeypatch.setattr(signal, "raise_signal", ended.append)
    queue = "pulse.gpu.preview@deaf"
    busy = threading.Event()
    busy.set()
    monkeypatch.setattr(pulse, "is_busy", lambda _: busy.is_set())
    thread = threading.Thread(target=pulse._give_signs, args=(_Consumer, queue))
    thread.start()
    _until(lambda: _sent_to(queue) > 8)
    assert ended == []

    busy.clear()
    thread.join(60)

    assert ended == [signal.SIGTERM]
