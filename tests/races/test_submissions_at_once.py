"""Many submissions at the same moment, on connections of their own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connection

from jobs import submission
from jobs.errors import QuotaExceeded
from jobs.models import Account, IdempotencyKey, Job, LedgerEntry, Tier
from tests.factories import Person, ann, bob, submit

pytestmark = pytest.mark.django_db(transaction=True)


def _at_once(count: int, act: Callable[[int], object]) -> list[object]:
    barrier = threading.Barrier(count)

    def run(number: int) -> object:
        barrier.wait()
        try:
            return act(number)
        except QuotaExceeded as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def _submit(owner: Person, key: str | None) -> object:
    return submit(owner, key=key)


def _submit_again(owner: Person, key: str, _number: int) -> object:
    return _submit(owner, key)


def test_the_same_key_three_times_at_once_is_one_job() -> None:
    owner = ann()
    for number in range(20):
        key = f"key-{number}"

        answers = _at_once(3, partial(_submit_again, owner, key))

        ids = {answer.job_id for answer in answers if isinstance(answer, submission.Accepted)}
        assert len(answers) == 3
        assert len(ids) == 1
    assert Job.objects.count() == 20
    assert LedgerEntry.objects.filter(kind="reserve").count() == 20


def test_fifty_at_once_against_a_limit_of_twenty() -> None:
    owner = bob()
    Tier.objects.filter(name="free").update(queued_limit=20)

    answers = _at_once(50, lambda number: _submit(owner, f"key-{number}"))

    accepted = [answer for answer in answers if isinstance(answer, submission.Accepted)]
    assert len(accepted) == 20
    assert IdempotencyKey.objects.count() == 20
    assert Account.objects.get(owner_id=owner.id).live_count == 20


def test_fifty_at_once_against_credits_for_twenty() -> None:
    owner = ann()
    Account.objects.filter(owner_id=owner.id).update(balance=80)

    answers = _at_once(50, lambda _: _submit(owner, None))

    accepted = [answer for answer in answers if isinstance(answer, submission.Accepted)]
    account = Account.objects.get(owner_id=owner.id)
    assert len(accepted) == 20
    assert (account.balance, account.held) == (0, 80)
