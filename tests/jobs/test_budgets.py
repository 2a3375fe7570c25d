"""No server is asked more often than its pool allows: every request counts, whatever it is for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from jobs import budgets, inbox
from jobs.backends.backend import Cancellation, OverBudget
from jobs.backends.openai_videos.driver import OpenAIVideosBackend
from jobs.models import Pool
from tests.factories import ann
from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import order, struck

pytestmark = pytest.mark.django_db(transaction=True)


def _used() -> timedelta:
    """Say how far into the future the budget is used up."""
    with connection.cursor() as cursor:
        cursor.execute("select polled_until - now() from pool")
        found: timedelta = cursor.fetchone()[0]
    return found


def test_each_request_of_a_cancel_is_paid_for() -> None:
    ann()
    Pool.objects.update(polls_per_second=2, polled_until="2100-01-01T00:00:00Z")
    driver = OpenAIVideosBackend()
    with FakeGpu(dialect="vllm_omni", slots=1) as gpu, struck(gpu, "hang"):
        wanted = order(gpu, "vllm_omni")
        wanted = replace(wanted, backend_job_id=driver.submit(wanted).backend_job_id)

        with budgets.asking("preview", prepaid=1), pytest.raises(OverBudget):
            # It is looked at, and then not told to stop: the rest of the budget is somebody else's.
            driver.cancel(wanted)
        told = gpu.journal("canceled")
        Pool.objects.update(polls_per_second=200, polled_until="2020-01-01T00:00:00Z")
        with budgets.asking("preview"):
            stopped = driver.cancel(wanted)
        questions = gpu.state()["requests"]["questions"]["total"]

    assert (told, stopped, questions) == ([], Cancellation.STOPPED, 1 + 4)


def test_a_reservation_waits_for_its_turn_or_takes_nothing() -> None:
    ann()
    Pool.objects.update(polls_per_second=1.25, polled_until="2020-01-01T00:00:00Z")

    waits = [budgets.reserve("preview") for _ in range(3)]
    Pool.objects.update(polled_until=F("polled_until") + timedelta(seconds=20))
    with pytest.raises(OverBudget):
        budgets.reserve("preview")

    assert waits[0] == 0
    assert 0.9 < waits[1] <= 1
    assert 1.9 < waits[2] <= 2
    assert _used() < timedelta(seconds=22.1)
    assert budgets.reserve("a pool that is only thought about") == 0


def test_a_key_that_a_webhook_makes_us_fetch_is_paid_for() -> None:
    ann()
    Pool.objects.update(driver="replicate", polls_per_second=100)
    with FakeGpu(dialect="replicate") as gpu:
        Pool.objects.update(url=gpu.url, polled_until="2100-01-01T00:00:00Z")
        with pytest.raises(OverBudget):
            inbox.receive("preview", "", headers={}, body=b"{}", now=0)
        assert "other" not in gpu.state()["requests"]
        Pool.objects.update(url=f"{gpu.url}/", polled_until="2020-01-01T00:00:00Z")

        assert not inbox.receive("preview", "", headers={}, body=b"{}", now=0)

        assert gpu.state()["requests"]["other"]["total"] == 1
    assert _used() > -timedelta(seconds=10)
