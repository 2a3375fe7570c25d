"""Closing an account and opening it again: refused at once, its waiting jobs withdrawn, all of it on record."""

from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from jobs import withdrawals
from jobs.errors import JobError
from videogen.accounts import doorbell, keys, tokens
from videogen.accounts.models import Suspension, User

# Accounts looked at in one tick, and jobs withdrawn for each.
_ACCOUNTS: Final = 100
_JOBS: Final = 200
_TO_EMPTY: Final = """
select id, user_id from account_suspension
where lifted_at is null and emptied_at is null and id > %s order by id limit %s
"""
# A submission that was let in just before may still be writing, so the first seconds settle nothing.
_EMPTIED: Final = """
update account_suspension set emptied_at = now()
where id = %s and lifted_at is null and began_at < now() - interval '30 seconds'
"""
WITHDRAWN: Final = "The account was suspended."
_FIRST: Final = UUID(int=0)


class SuspensionRefused(JobError):
    """The account is in that state already, or the reason is missing."""

    code = "suspension_refused"


def suspend(user: User, *, reason: str, by: User | None) -> Suspension:
    """Close an account: every process refuses it within a second. Raises SuspensionRefused.

    Waiting jobs are withdrawn by the next sweep; running ones finish.
    """
    with transaction.atomic():
        locked = _locked(user)
        if not reason.strip():
            raise SuspensionRefused("Say why: the person is told.")
        if locked.suspension_id is not None:
            raise SuspensionRefused(f"{locked.email} is suspended already.")
        if by is not None and by.pk == locked.pk:
            raise SuspensionRefused("Nobody suspends themselves.")
        suspension = Suspension.objects.create(user=locked, reason=reason.strip(), began_by=by)
        locked.suspension = suspension
        locked.save(update_fields=["suspension"])
        transaction.on_commit(_spread)
    return suspension


def lift(user: User, *, reason: str, by: User | None) -> None:
    """Open the account again; keys and sessions work as before. Raises SuspensionRefused."""
    with transaction.atomic():
        locked = _locked(user)
        if locked.suspension_id is None:
            raise SuspensionRefused(f"{locked.email} is not suspended.")
        Suspension.objects.filter(id=locked.suspension_id).update(
            lifted_at=Now(), lifted_by=by, lift_reason=reason.strip()
        )
        locked.suspension = None
        locked.save(update_fields=["suspension"])
        transaction.on_commit(_spread)


def withdraw_jobs() -> int:
    """Withdraw what waits in suspended accounts, in bounded batches; say how many jobs."""
    withdrawn, after = 0, _FIRST
    while rows := _to_empty(after):
        for suspension_id, owner_id in rows:
            after = suspension_id
            batch = withdrawals.withdraw_waiting(owner_id, why=WITHDRAWN, limit=_JOBS)
            withdrawn += batch.withdrawn
            # What runs may come back for another try: only then is nothing left to withdraw.
            if batch.is_empty:
                with connection.cursor() as cursor:
                    cursor.execute(_EMPTIED, [suspension_id])
        if len(rows) < _ACCOUNTS:
            break
    return withdrawn


def _to_empty(after: UUID) -> list[tuple[UUID, UUID]]:
    with connection.cursor() as cursor:
        cursor.execute(_TO_EMPTY, [after, _ACCOUNTS])
        rows: list[tuple[UUID, UUID]] = cursor.fetchall()
    return rows


def _locked(user: User) -> User:
    return User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)


def _spread() -> None:
    keys.forget()
    tokens.forget()
    doorbell.ring()
