"""What each role of the database may do: the owner changes the schema, the app works, the reader looks.

The owner is whoever runs this, as for `migrate`. Processes connect as the app: it may write rows of every table, and
may neither change the schema nor empty a table, nor touch what was written of money and of moves.
"""

from dataclasses import dataclass
from typing import Any, Final

from django.db import ProgrammingError, connection, transaction
from psycopg import sql

# Rows that are added and never changed: money, moves, recoveries, who changed a pool, what operators did.
APPEND_ONLY: Final = ("ledger_entry", "job_transition", "recovery", "pool_change", "operator_act")
# Written by `migrate` alone.
OWNERS_OWN: Final = ("django_migrations",)
_LONGEST_NAME: Final = 63
_WORKS: Final = sql.SQL("select, insert, update, delete")
_LOOKS: Final = sql.SQL("select")
_TABLES: Final = """
select relname from pg_class
where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') order by relname
"""
# What only the owner may: as rows, so that a person reads what is wrong.
_TOO_MUCH: Final = """
with me as (select rolsuper from pg_roles where rolname = current_user),
tables as (
    select oid, relname, relowner from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not (select rolsuper from me)
)
select 'is a superuser' from me where rolsuper
union all select 'makes tables in the schema public'
    where has_schema_privilege(current_user, 'public', 'create')
union all select format('may %%s rows of %%s', privilege, relname)
    from tables, unnest(array['update', 'delete', 'truncate']) as privilege
    where relname = any(%(append_only)s) and has_table_privilege(current_user, oid, privilege)
union all select format('owns the table %%s', relname) from tables
    where pg_has_role(current_user, relowner, 'usage')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role to make: its name, and its password; None leaves that of a role that is there."""

    name: str
    password: str | None = None

    def __post_init__(self) -> None:
        """Refuse names that PostgreSQL would cut. Raises ValueError."""
        if not 0 < len(self.name.encode()) <= _LONGEST_NAME:
            raise ValueError(f"A role's name has 1 to {_LONGEST_NAME} letters.")


def grant(*, app: Role, reader: Role) -> None:
    """Make both roles where they are missing, and give each exactly its rights; repeating it mends them.

    Run it as the owner after every `migrate`. All of it, or nothing.
    """
    with transaction.atomic():
        for role in (app, reader):
            _make(role)
        _restrict(app, on_tables=_WORKS, on_sequences=sql.SQL("usage, select"))
        _restrict(reader, on_tables=_LOOKS, on_sequences=_LOOKS)
        for table in _present(APPEND_ONLY):
            _run("revoke update, delete on {} from {}", table, app.name)
        for table in _present(OWNERS_OWN):
            _run("revoke insert, update, delete on {} from {}", table, app.name)


def show_sessions(*roles: Role) -> bool:
    """Let roles see what sessions of others do and wait for; False where this owner cannot give that."""
    try:
        with transaction.atomic():
            for role in roles:
                _run("grant pg_read_all_stats to {}", role.name)
    except ProgrammingError:
        return False
    return True


def too_much() -> list[str]:
    """Say what the role of this connection may do that a process must not be able to."""
    with connection.cursor() as cursor:
        cursor.execute(_TOO_MUCH, {"append_only": list(APPEND_ONLY)})
        return [found for (found,) in cursor.fetchall()]


def _make(role: Role) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select 1 from pg_roles where rolname = %s", [role.name])
        is_there = cursor.fetchone() is not None
    if not is_there:
        _run("create role {}", role.name)
    _run("alter role {} with login nosuperuser nocreatedb nocreaterole", role.name)
    if role.password is not None:
        # The verifier and not the password: statements may be logged.
        verifier = connection.connection.pgconn.encrypt_password(
            role.password.encode(), role.name.encode(), b"scram-sha-256"
        )
        _run("alter role {} with password {}", role.name, sql.Literal(verifier.decode()))


def _restrict(role: Role, *, on_tables: sql.SQL, on_sequences: sql.SQL) -> None:
    database = connection.settings_dict["NAME"]
    _run("revoke create on schema public from public")
    _run("revoke all on schema public from {}", role.name)
    _run("grant connect on database {} to {}", database, role.name)
    _run("grant usage on schema public to {}", role.name)
    for kind, rights in (("tables", on_tables), ("sequences", on_sequences)):
        things = sql.SQL(kind)
        _run("revoke all on all {} in schema public from {}", things, role.name)
        _run("grant {} on all {} in schema public to {}", rights, things, role.name)
        # What the next migration makes can be used before this runs again.
        _run(
            "alter default privileges in schema public grant {} on {} to {}",
            rights, things, role.name,
        )  # fmt: skip


def _present(names: tuple[str, ...]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        found = {name for (name,) in cursor.fetchall()}
    return [name for name in names if name in found]


def _run(statement: str, *parts: str | sql.Composable) -> None:
    """Run a statement of ours; a text among its parts is the name of something."""
    made: list[Any] = [sql.Identifier(one) if isinstance(one, str) else one for one in parts]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*made))
