"""Writes texts into every column of strangers, in every table, whatever the guards of history say."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID, uuid4

from django.contrib.postgres.fields import ArrayField
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone

from jobs.models import Job, Lease, Pool
from tests.payloads import PAYLOADS, chunks
from tests.text_columns import OF_STRANGERS, columns
from videogen.accounts.models import User

# Of each kind of thing there are so many, each with another text.
ROWS: Final = 8
HARMLESS: Final = "plain words"
# Those that the cast makes.
_FEW: Final = (Job, User, Pool, Lease)
# Whose, by the name of the column.
_OF: Final = {
    "owner_id": "owner", "user_id": "owner", "account_id": "owner", "job_id": "job", "subject_id": "job",
}  # fmt: skip
_MADE: Final[Mapping[type[object], Callable[[int], object]]] = {
    models.GenericIPAddressField: lambda _: "192.0.2.1",
    ArrayField: lambda _: ["x"],
    models.JSONField: lambda _: {"said": "x"},
    models.CharField: str,
    models.TextField: str,
    models.UUIDField: lambda _: uuid4(),
    models.DateTimeField: lambda _: timezone.now(),
    models.IntegerField: int,
    models.FloatField: float,
    models.BooleanField: lambda _: False,
    models.BinaryField: lambda number: bytes([number]) * 32,
}
_GIVEN: Final[Mapping[str, dict[str, Any]]] = {
    "accounts.Suspension": {"lifted_at": "9999-01-01T00:00Z"},
    "jobs.Recovery": {"led_to": "failed"},
    "notifications.WebhookEndpoint": {
        "disabled_at": "2026-01-01T00:00Z",
        "disabled_reason": "Gone.",
    },
}
# As long as a prompt may be; a column without a limit holds one.
_LONGEST: Final = 4000
_SHORT: Final = 100
_TEXTS: Final = chunks(_LONGEST)
_LONG_AGO: Final = """
update job set created_at = created_at - past, dispatched_at = dispatched_at - past, started_at = started_at - past
from (values (interval '630 minutes')) as given (past) where finished_at is null;
update job_transition set at = at - interval '630 minutes'
where job_id in (select id from job where finished_at is null);
update attempt set granted_at = granted_at - past, started_at = started_at - past
from (values (interval '630 minutes')) as given (past)
where job_id in (select id from job where finished_at is null);
update lease set expires_at = now() + interval '1 day'
"""


def fill_tables(*, owner: UUID, job: UUID) -> None:
    """Make rows in every table that has a text of a stranger; what goes on began long ago."""
    with _unguarded() as cursor:
        for model in dict.fromkeys(model for name, model, _ in columns() if name in OF_STRANGERS):
            there = model._base_manager.count()
            for number in range(there, ROWS if model not in _FEW else 0):
                _row(model, number + 50, owner=owner, job=job).save(force_insert=True)
        # Drawings of what goes on have other marks each second at first; now a second is nothing.
        cursor.execute(_LONG_AGO)


def write_texts(number: int, *, harmless: bool = False) -> None:
    """Put a text into every column of strangers: in each row another, in each round others; always as long."""
    with _unguarded() as cursor:
        for name, model, field in columns():
            if name in OF_STRANGERS:
                cursor.execute(f'select ctid from "{model._meta.db_table}" order by ctid')
                written = [
                    _set(cursor, model, field, place, _text(field, at + number * ROWS, harmless))
                    for at, (place,) in enumerate(cursor.fetchall())
                ]
                assert any(written), name


def _set(cursor: Any, model: type[models.Model], field: Any, place: str, text: str) -> bool:
    """Write one text; say whether the column's own constraints let it in."""
    value: object = text
    if isinstance(field, ArrayField):
        value = [text]
    elif isinstance(field, models.JSONField):
        value = json.dumps({"said": text})
    statement = f'update "{model._meta.db_table}" set "{field.column}" = %s where ctid = %s'
    try:
        with transaction.atomic():
            cursor.execute(statement, [value, place])
    except IntegrityError:
        return False
    return True


def _text(field: Any, number: int, harmless: bool) -> str:
    inner = field.base_field if isinstance(field, ArrayField) else field
    is_long = isinstance(inner, models.TextField) or (inner.max_length or 0) >= _LONGEST
    length = _LONGEST if is_long else min(inner.max_length or _SHORT, _SHORT)
    texts: Sequence[str] = _TEXTS if is_long else PAYLOADS
    text = f"{number} {HARMLESS} " if harmless else f"{texts[number % len(texts)]} {HARMLESS} "
    return (text + f"{HARMLESS} " * length)[:length]


@contextmanager
def _unguarded() -> Iterator[Any]:
    """Write past the guards of history, as if it had been written so."""
    with connection.cursor() as cursor:
        cursor.execute("set session_replication_role = replica")
        yield cursor
        cursor.execute("set session_replication_role = origin")


def _row(model: type[models.Model], number: int, *, owner: UUID, job: UUID) -> models.Model:
    """Make a row of something, of this owner and job where it is of one."""
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.attname in _OF:
            values[field.attname] = owner if _OF[field.attname] == "owner" else job
        elif field.is_relation and not field.null:
            related: Any = field.related_model
            values[field.attname] = related._base_manager.values_list("pk", flat=True)[0]
        elif not (isinstance(field, models.AutoField) or field.null or field.has_default()):
            values[field.attname] = _value(field, number)
    return model(**values | _GIVEN.get(model._meta.label, {}))


def _value(field: Any, number: int) -> Any:
    if field.choices:
        return field.choices[0][0]
    return next((make(number) for kind, make in _MADE.items() if isinstance(field, kind)), None)
