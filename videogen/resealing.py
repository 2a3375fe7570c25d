"""Sealing everything anew with the newest of SEALING_KEYS, so that an old key can be taken away.

Bounded batches by id, each a transaction of its own. What the newest key sealed is left alone, so a run that was
stopped is continued by running it again.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

from django.db import connection, transaction
from psycopg import sql

from notifications import sealing

BATCH: Final = 500
_READ: Final = "select {key}, {columns} from {table} where {key} > %s order by {key} limit %s for no key update"
_FIRST: Final = "select {key}, {columns} from {table} order by {key} limit %s for no key update"
_WRITE: Final = "update {table} set {columns} where {key} = %s"
# Members of a second factor's data that are sealed: the secret of an app, the seed of recovery codes.
_OF_SECOND_FACTORS: Final = ("secret", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A table with sealed columns; `renewed` gives a column's new value, or the same one."""

    table: str
    columns: tuple[str, ...]
    renewed: Callable[[str], str]
    key: str = "id"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one table came to."""

    table: str
    seen: int = 0
    renewed: int = 0
    # Ids of rows that none of the keys opens.
    closed: list[str] = field(default_factory=list)


def _text(sealed: str) -> str:
    return sealing.reseal(sealed)


def _second_factor(data: str) -> str:
    # As text, because a column of JSON is read and written as text here.
    found = json.loads(data)
    renewed = {
        name: sealing.reseal(value) if name in _OF_SECOND_FACTORS else value
        for name, value in found.items()
    }
    return data if renewed == found else json.dumps(renewed)


EVERYTHING: Final = (
    Sealed(
        table="pool", columns=("sealed_key", "sealed_webhook_secret"), renewed=_text, key="name"
    ),
    Sealed(table="webhook_endpoint", columns=("sealed_secret", "sealed_old_secret"), renewed=_text),
    Sealed(table="mfa_authenticator", columns=("data",), renewed=_second_factor),
)


def reseal(*, batch: int = BATCH, is_trial: bool = False) -> Iterator[Outcome]:
    """Renew one table after another; a trial only counts. Locks `batch` rows of one table at a time."""
    for sealed in EVERYTHING:
        outcome, after = Outcome(table=sealed.table), None
        while True:
            with transaction.atomic(durable=True):
                rows = _rows(sealed, after=after, limit=batch)
                for row in rows:
                    _renew(sealed, row, outcome, is_trial=is_trial)
            if len(rows) < batch:
                break
            after = rows[-1][0]
        yield outcome


def _renew(sealed: Sealed, row: tuple[Any, ...], outcome: Outcome, *, is_trial: bool) -> None:
    outcome.seen += 1
    try:
        values = [sealed.renewed(value) for value in row[1:]]
    except sealing.CannotOpen:
        outcome.closed.append(str(row[0]))
        return
    if values == list(row[1:]):
        return
    outcome.renewed += 1
    if is_trial:
        return
    columns = sql.SQL(", ").join(
        sql.SQL("{} = %s").format(sql.Identifier(column)) for column in sealed.columns
    )
    statement = sql.SQL(_WRITE).format(
        table=sql.Identifier(sealed.table), key=sql.Identifier(sealed.key), columns=columns
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*values, row[0]])


def _rows(sealed: Sealed, *, after: Any, limit: int) -> list[tuple[Any, ...]]:
    statement: LiteralString = _FIRST if after is None else _READ
    made = sql.SQL(statement).format(
        key=sql.Identifier(sealed.key),
        table=sql.Identifier(sealed.table),
        columns=sql.SQL(", ").join(map(sql.Identifier, sealed.columns)),
    )
    with connection.cursor() as cursor:
        cursor.execute(made, [limit] if after is None else [after, limit])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
