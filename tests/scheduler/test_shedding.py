"""Giving up what waits too long: unpaid only, at no charge, with a word to the owner."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.models import Account, Backlog, Job, Lane
from scheduler import invariants, shedding
from tests.factories import Person, ann, bob, queued

pytestmark = pytest.mark.django_db


def _waits_since(owner: Person, minutes: float) -> None:
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    Backlog.objects.filter(owner_id=owner.id).update(since=since)
    Lane.objects.filter(owner_id=owner.id).update(head_since=since)


def test_free_beyond_half_as_long_again_as_its_bound_is_given_up() -> None:
    owner = bob()
    job_id = queued(owner)
    balance = Account.objects.get(owner_id=owner.id).balance
    _waits_since(owner, 31)

    assert shedding.shed() == 1

    job = Job.objects.get(id=job_id)
    assert (job.state, job.error_code) == ("expired", "expired")
    assert "waited 31 min" in job.error_message
    assert Account.objects.get(owner_id=owner.id).balance == balance + job.credits_reserved
    assert invariants.violations(grace=3600) == []


@pytest.mark.parametrize(("minutes", "count"), [(29, 0), (31, 1)])
def test_within_the_bound_nobody_is_given_up(minutes: float, count: int) -> None:
    owner = bob()
    queued(owner)
    _waits_since(owner, minutes)

    assert shedding.shed() == count


def test_paid_jobs_wait_however_long() -> None:
    owner = ann()
    queued(owner)
    _waits_since(owner, 600)

    assert shedding.shed() == 0


def test_what_its_owners_own_limit_holds_back_is_kept() -> None:
    owner = bob()
    queued(owner)
    _waits_since(owner, 600)
    Lane.objects.update(state=2)

    assert shedding.shed() == 0
