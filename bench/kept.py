"""Databases that take long to fill: each is filled once, kept in the data folder, and copied for a measurement.

What was filled before a change of the tables is migrated, as an installation is.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import sql

from bench import idle
from bench.bulk import SETTINGS
from videogen.embedded.temporary import TemporaryServers

_ROOT = Path(__file__).resolve().parent.parent
# What sorting takes while indexes are made, and what is left to others, bytes.
_SPARE = 8_000_000_000


class Databases:
    """Filled databases of one server, and their copies."""

    def __init__(self, servers: TemporaryServers) -> None:
        self._servers = servers
        self._start()

    def _start(self, settings: Sequence[str] = ()) -> None:
        environment = self._servers.start(settings)
        self._environment = {**environment, "DJANGO_SETTINGS_MODULE": "videogen.settings"}
        self._server = environment["DATABASE_URL"].rpartition("/")[0]
        self._admin = psycopg.connect(environment["DATABASE_URL"], autocommit=True)

    def environment(self, name: str) -> dict[str, str]:
        """Give the environment of a process that works on this database."""
        return {**os.environ, **self._environment, "DATABASE_URL": self.url(name)}

    def url(self, name: str) -> str:
        """Give the address of a database."""
        return f"{self._server}/{name}"

    def filled(self, count: int, *, owners: int) -> str:
        """Give the name of the database with this backlog; filled now if it is not there."""
        label, module = f"backlog_{count}_{owners}", "bench.backlog"
        name, half = _names(label, of=(_ROOT / "bench" / "backlog.py").read_text())
        if not self._has(name):
            self._clear(label)
            self._fill(half, [module, str(count), str(owners)], count=count)
            self._make("alter database {} rename to {}", half, name)
        self._migrate(name)
        return name

    def loaded(self, label: str, module: str, *, count: int, size: int, of: str) -> str:
        """Give the name of a database that a module loads, while the server is set for that; now if it is not there.

        What was cut off goes on. The server is started anew before and after. `size` is in bytes; `of` is a text
        of what is loaded, by which another filling is told from this one.
        """
        name, half = _names(label, of=of)
        if not self._has(name):
            self._clear(label, but=half)
            self._make_sure_of_room(size, half)
            self._restart(SETTINGS)
            self._fill(half, [module, str(count)], count=count)
            self._make("alter database {} rename to {}", half, name)
            self._restart()
        self._migrate(name)
        return name

    def _has(self, name: str) -> bool:
        found = self._admin.execute("select 1 from pg_database where datname = %s", [name])
        return bool(found.fetchone())

    def _clear(self, label: str, *, but: str = "") -> None:
        """Drop what was filled otherwise, or only half, except for one."""
        for (name,) in self._admin.execute(
            "select datname from pg_database where datname ~ %s and datname <> %s",
            [f"^{label}_[0-9a-f]{{8}}(_half)?$", but],
        ).fetchall():
            self._make("drop database {} with (force)", name)

    def _fill(self, name: str, command: list[str], *, count: int) -> None:
        print(f"  filling {count:,} jobs, once ...", flush=True)
        if not self._has(name):
            self._make("create database {}", name)
        subprocess.run(
            [sys.executable, "-m", *command],
            cwd=_ROOT,
            env=self.environment(name),
            stdout=subprocess.DEVNULL,
            check=True,
        )

    def _migrate(self, name: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"],
            cwd=_ROOT,
            env={**self.environment(name), "LOG_LEVEL": "WARNING"},
            check=True,
        )

    def _make_sure_of_room(self, size: int, half: str) -> None:
        there = "select coalesce(sum(pg_database_size(oid)), 0)::bigint from pg_database where datname = %s"
        ((already,),) = self._admin.execute(there, [half]).fetchall()
        free = shutil.disk_usage(self._servers.folder).free
        if free < (needed := size - already + _SPARE):
            raise SystemExit(
                f"That takes {needed / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free."
            )

    def _restart(self, settings: Sequence[str] = ()) -> None:
        self._admin.close()
        self._servers.stop()
        self._start(settings)

    def copy(self, source: str, name: str) -> str:
        """Give a fresh copy of a database, and let the server write it before anything is measured."""
        self._make("drop database if exists {} with (force)", name)
        self._make("create database {} template {} strategy file_copy", name, source)
        self._admin.execute("checkpoint")
        return name

    def close(self) -> None:
        """Drop what was copied."""
        for (name,) in self._admin.execute(
            "select datname from pg_database where datname like 'measured%'"
        ).fetchall():
            self._make("drop database if exists {} with (force)", name)
        self._admin.close()

    def _make(self, statement: str, *names: str) -> None:
        self._admin.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def databases() -> Iterator[Databases]:
    """Start the server of the filled databases, and stop it afterwards."""
    servers = TemporaryServers(kept=idle.data_dir() / "bench")
    try:
        found = Databases(servers)
        try:
            yield found
        finally:
            found.close()
    finally:
        servers.stop()


def _names(label: str, *, of: str) -> tuple[str, str]:
    """Give the name of a database by what it is filled with, and its name while it is filled."""
    name = f"{label}_{sha256(of.encode()).hexdigest()[:8]}"
    return name, f"{name}_half"
