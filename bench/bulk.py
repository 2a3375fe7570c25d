"""Much into a database at once: tables loaded by COPY while they have no indexes, which are then made as they were.

Each step is one transaction, which notes itself in a schema beside the tables: what was cut off goes on behind the
last step that was finished. Indexes and foreign keys are dropped and made by the definitions that the catalogue gives.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import psycopg

# A server that loads: what a new table is filled with is synced at the commit and not logged before.
SETTINGS: Final = (
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "maintenance_work_mem=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=1h",
)
# Rows of one text, which is made and loaded as a whole.
_BLOCK: Final = 10_000
# Seconds between words on a load, and from which on a step is worth one.
_TELL_EVERY: Final = 15.0
_WORTH_TELLING: Final = 1.0

_NOTES: Final = """
create schema if not exists filling;
create table if not exists filling.step (name text primary key, at timestamptz not null default now());
create table if not exists filling.definition (
    id int primary key generated always as identity, part int not null, made text not null, dropped text
);
"""
# Indexes, then the keys that are made of some of them, then foreign keys to and from.
_DEFINITIONS: Final = """
select 1 as part, pg_get_indexdef(i.indexrelid) as made,
    case when c.oid is null then format('drop index %%s', i.indexrelid::regclass) end as dropped
from pg_index i
left join pg_constraint c on c.conindid = i.indexrelid and c.conrelid = i.indrelid and c.contype in ('p', 'u')
where i.indrelid = any(%(tables)s::regclass[])
union all
select 2, format('alter table %%s add constraint %%I %%s using index %%I', conrelid::regclass, conname,
        case contype when 'p' then 'primary key' else 'unique' end, conname),
    format('alter table %%s drop constraint %%I', conrelid::regclass, conname)
from pg_constraint where contype in ('p', 'u') and conrelid = any(%(tables)s::regclass[])
union all
select 3, format('alter table %%s add constraint %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid)),
    format('alter table %%s drop constraint %%I', conrelid::regclass, conname)
from pg_constraint where contype = 'f'
    and (conrelid = any(%(tables)s::regclass[]) or confrelid = any(%(tables)s::regclass[]))
order by 1, 2
"""
_NUMBERED: Final = """
select format('select setval(%%L, (select coalesce(max(%%I), 1) from %%s))',
    pg_get_serial_sequence(attrelid::regclass::text, attname), attname, attrelid::regclass)
from pg_attribute where attidentity <> '' and attrelid = any(%(tables)s::regclass[])
"""


class Filling:
    """The filling of one database; `tables` are those that are loaded."""

    def __init__(self, url: str, tables: Sequence[str]) -> None:
        self._tables = {"tables": list(tables)}
        self._connection = psycopg.connect(url, autocommit=True)
        # Makes the rows while the other loads them.
        self._maker = psycopg.connect(url, autocommit=True)
        self._connection.execute(_NOTES)
        if done := self._one("select count(*) from filling.step"):
            _tell(f"was cut off; goes on behind {done} finished steps")

    def began_at(self) -> float:
        """Give when the first step was finished, seconds since 1970: the same however often it was cut off."""
        self.step("begin", lambda: None)
        return float(
            self._one(
                "select extract(epoch from at)::float8 from filling.step where name = 'begin'"
            )
        )

    def step(self, name: str, act: Callable[[], None]) -> None:
        """Do something in one transaction, unless it is done."""
        if self._one("select count(*) from filling.step where name = %s", name):
            return
        began = time.monotonic()
        with self._connection.transaction():
            act()
            self._connection.execute("insert into filling.step (name) values (%s)", [name])
        if (took := time.monotonic() - began) > _WORTH_TELLING:
            _tell(f"{name[:90]}: {took:.0f} s")

    def strip(self) -> None:
        """Drop the indexes and foreign keys of the tables, noting how each is made."""
        self.step("drop indexes and foreign keys", self._strip)

    def _strip(self) -> None:
        found = self._definitions()
        for part, made, dropped in found:
            self._connection.execute(
                "insert into filling.definition (part, made, dropped) values (%s, %s, %s)",
                [part, made, dropped],
            )
        for _, _, dropped in reversed(found):
            if dropped:
                self._run(dropped)

    def load(
        self, table: str, columns: Mapping[str, str], rows: str, *, first: int, last: int
    ) -> None:
        """Load a table: the columns' values, in SQL, of the rows that a select gives for numbers.

        The select has `{numbers}` where it reads `n`, from `first` to `last`. No value is null but as COPY writes it.
        """
        self.step(f"load {table}", lambda: self._load(table, columns, rows, first, last))

    def _load(
        self, table: str, columns: Mapping[str, str], rows: str, first: int, last: int
    ) -> None:
        numbers = f"generate_series(block, least(block + {_BLOCK - 1}, {last})) n"
        made = f"""
            select text from generate_series({first}, {last}, {_BLOCK}) block cross join lateral (
                select string_agg(concat_ws(e'\\t', {", ".join(columns.values())}), e'\\n') || e'\\n' as text
                from ({rows.replace("{numbers}", numbers)}) given
            ) made
        """
        # Emptied and loaded in one transaction, so that its rows are written as frozen and not logged.
        self._run(f"truncate {table}")
        told = time.monotonic()
        with (
            self._maker.cursor() as maker,
            self._connection.cursor().copy(
                f"copy {table} ({', '.join(columns)}) from stdin (freeze)"
            ) as copy,
        ):
            for number, (text,) in enumerate(maker.stream(made)):
                copy.write(text)
                if time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    _tell(f"load {table}: {100 * number * _BLOCK // (last - first + 1)} %")

    def dress(self) -> None:
        """Make every index and foreign key as it was, and let numbers go on behind those that were given.

        Raises RuntimeError if one is not what it was.
        """
        noted = self._connection.execute(
            "select part, made from filling.definition order by id"
        ).fetchall()
        for _, made in noted:
            self.step(made, partial(self._run, made))
        differing = {_compared(made) for _, made in noted} ^ {
            _compared(made) for _, made, _ in self._definitions()
        }
        if differing:
            raise RuntimeError(f"These are not as the migrations made them: {sorted(differing)}")
        for (statement,) in self._connection.execute(_NUMBERED, self._tables).fetchall():
            self._run(statement)

    def finish(self) -> None:
        """Freeze and analyse everything, and remove the notes."""
        _tell("vacuum")
        self._run("vacuum (freeze, analyze)")
        self._run("drop schema filling cascade")
        self._maker.close()
        self._connection.close()

    def _definitions(self) -> list[tuple[int, str, str | None]]:
        return self._connection.execute(_DEFINITIONS, self._tables).fetchall()

    def _run(self, statement: str) -> None:
        self._connection.execute(statement)

    def _one(self, statement: str, *values: object) -> Any:
        ((found,),) = self._connection.execute(statement, values or None).fetchall()
        return found


def _compared(made: str) -> str:
    """Give a definition without its condition, which PostgreSQL reads and writes in other words each time."""
    return made.partition(" WHERE ")[0]


def _tell(what: str) -> None:
    print(f"    {what}", file=sys.stderr, flush=True)
