"""Credits: given once, held once, settled once, never below zero."""

import pytest
from django.db import IntegrityError, transaction

from jobs import accounts, ledger
from jobs.models import Account, LedgerEntry, Tier
from tests.factories import Person, ann, bob

pytestmark = pytest.mark.django_db(transaction=True)


def _balance(owner: Person) -> int:
    return Account.objects.get(owner_id=owner.id).balance


def test_a_grant_is_given_once_per_reference() -> None:
    owner = ann()
    before = _balance(owner)

    given = [
        ledger.grant(owner.id, amount=50, reason="We are sorry", reference="request 1")
        for _ in range(2)
    ]
    ledger.grant(owner.id, amount=50, reason="We are sorry", reference="request 2")

    assert given == [True, False]
    assert _balance(owner) == before + 100
    assert LedgerEntry.objects.filter(reason="We are sorry").count() == 2


def test_a_grant_takes_nothing_away() -> None:
    owner = ann()

    with pytest.raises(ValueError, match="-5"):
        ledger.grant(owner.id, amount=-5, reason="Fine", reference="1")


def test_an_account_opens_with_this_month_s_credits_once() -> None:
    owner = ann()

    accounts.open_account(owner.id, tier="pro")

    assert _balance(owner) == Tier.objects.get(name="pro").monthly_credits
    assert LedgerEntry.objects.filter(account_id=owner.id).count() == 1


def test_there_is_no_account_of_an_unknown_tier() -> None:
    owner = ann()
    Account.objects.filter(owner_id=owner.id).delete()

    with pytest.raises(ValueError, match="gold"), transaction.atomic():
        accounts.open_account(owner.id, tier="gold")


def test_a_new_month_gives_each_tier_its_credits_once() -> None:
    payer, free = ann(), bob()
    Account.objects.update(granted_month="2020-01")
    before = {owner.id: _balance(owner) for owner in (payer, free)}
    _forget_grants()

    granted = [ledger.grant_months(limit=10), ledger.grant_months(limit=10)]

    assert granted == [2, 0]
    assert _balance(payer) - before[payer.id] == 10_000
    assert _balance(free) - before[free.id] == 200


def test_a_month_that_was_given_is_not_given_again_though_its_mark_is_lost() -> None:
    owner = ann()
    before = _balance(owner)
    Account.objects.update(granted_month="")

    ledger.grant_months(limit=10)

    assert _balance(owner) == before
    assert Account.objects.get(owner_id=owner.id).granted_month != ""


def test_a_balance_below_zero_is_impossible() -> None:
    owner = ann()

    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.filter(owner_id=owner.id).update(balance=-1)


def _forget_grants() -> None:
    """Make the grants of this month those of another one."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("alter table ledger_entry disable trigger ledger_append_only")
        cursor.execute("update ledger_entry set reference = 'monthly 2020-01'")
        cursor.execute("alter table ledger_entry enable trigger ledger_append_only")
