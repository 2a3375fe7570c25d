"""Accounts whose balance or held credits are not the sums of their ledger entries. There should never be one."""

from typing import Final
from uuid import UUID

from django.db import connection

from videogen.figures.figure import Figure

# Accounts that are looked at in one pass: those of the newest entries, and the next ones of all, in a circle.
_ACCOUNTS: Final = 50
_ENTRIES: Final = 50
# An account with more entries costs too much to add up every few seconds: `check_invariants` does.
_LONGEST: Final = 5_000
_FIRST: Final = UUID(int=0)

_DRIFTED: Final = """
with next as (
    select owner_id from account where owner_id > %(after)s order by owner_id limit %(accounts)s
), looked_at as (
    select owner_id from next
    union select account_id from (select account_id from ledger_entry order by id desc limit %(entries)s) newest
    union select unnest(%(known)s::uuid[])
)
select (select max(owner_id::text) from next), array_agg(a.owner_id) filter (
    where s.entries <= %(longest)s and (a.balance <> s.balance or a.held <> s.held))
from looked_at cross join lateral (
    -- One by one, by their key: a join may prefer to read them all.
    select owner_id, balance, held from account where owner_id = looked_at.owner_id limit 1
) a cross join lateral (
    select count(*) as entries, coalesce(sum(balance_delta), 0) as balance,
        coalesce(sum(held_delta), 0) as held
    from (select balance_delta, held_delta from ledger_entry
        where account_id = a.owner_id limit %(longest)s + 1) e
) s
"""


class Drift:
    """Goes round all accounts, and looks again at those that were wrong."""

    def __init__(self) -> None:
        self._after = _FIRST
        self._known: list[UUID] = []

    def read(self) -> list[Figure]:
        """Look at some accounts, each in the statement's snapshot."""
        with connection.cursor() as cursor:
            cursor.execute(
                _DRIFTED,
                {
                    "after": self._after,
                    "accounts": _ACCOUNTS,
                    "entries": _ENTRIES,
                    "known": self._known,
                    "longest": _LONGEST,
                },
            )
            last, drifted = cursor.fetchone()
        self._after = UUID(last) if last else _FIRST
        self._known = (drifted or [])[:_ACCOUNTS]
        return [
            Figure(
                name="videogen_ledger_drift_accounts",
                about="Accounts whose credits are not the sum of their ledger entries.",
                rows=[(len(self._known),)],
            )
        ]
