"""What a plan takes in a minute and in a day: how much fits, when the rest does, and what is given back."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs import transitions
from jobs.errors import QuotaExceeded
from jobs.models import Account, Job, Tier
from tests.factories import ann, queued, submit

pytestmark = pytest.mark.django_db

COST = 4.0
MINUTE = "submissions_per_minute"


@pytest.mark.parametrize(
    ("field", "limit", "fits"),
    [(MINUTE, 3, 3), ("jobs_per_day", 2, 2), ("gpu_seconds_per_day", 13, 3)],
)
def test_a_limit_of_the_plan_refuses_and_says_when_it_fits(
    field: str, limit: int, fits: int
) -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(**{field: limit})
    for _ in range(fits):
        submit(owner)

    with pytest.raises(QuotaExceeded) as refused:
        submit(owner, key="k1")

    assert (refused.value.limit, refused.value.value) == (field, limit)
    wait = refused.value.retry_after_seconds or 0
    assert 1 <= wait <= (20 if field == MINUTE else 86_400)
    assert Job.objects.count() == fits


def test_a_minute_later_a_submission_fits_again() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(submissions_per_minute=3)
    for _ in range(3):
        submit(owner)

    Account.objects.filter(owner_id=owner.id).update(
        submitted_until=datetime.now(UTC) + timedelta(seconds=39)
    )
    submit(owner)

    with pytest.raises(QuotaExceeded):
        submit(owner)


def test_the_day_counts_from_midnight_and_gives_back_what_never_ran() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(jobs_per_day=3, gpu_seconds_per_day=9)
    job_id = queued(owner)
    queued(owner)
    with pytest.raises(QuotaExceeded):
        submit(owner)

    transitions.cancel(job_id, owner_id=owner.id)
    queued(owner)
    with pytest.raises(QuotaExceeded):
        submit(owner)
    Account.objects.update(day=datetime.now(UTC).date() - timedelta(days=1))

    queued(owner)
    account = Account.objects.get(owner_id=owner.id)
    assert account.day_jobs == 1
    assert account.day_gpu_seconds == pytest.approx(COST)


def test_who_began_before_midnight_does_not_take_the_new_day_back() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(jobs_per_day=2)
    submit(owner)
    # Somebody who began after midnight was through first.
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    Account.objects.update(day=tomorrow)

    submit(owner)
    with pytest.raises(QuotaExceeded) as refused:
        submit(owner)

    account = Account.objects.get(owner_id=owner.id)
    assert refused.value.limit == "jobs_per_day"
    assert (account.day, account.day_jobs) == (tomorrow, 2)
