"""Databases that take long to fill: each is filled once, kept in the data folder, and copied for a measurement."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import sql

from bench import idle
from videogen.embedded.temporary import TemporaryServers

_ROOT = Path(__file__).resolve().parent.parent


class Databases:
    """Filled databases of one server, and their copies."""

    def __init__(self, environment: dict[str, str]) -> None:
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
        command = [sys.executable, "-m", "bench.backlog", str(count), str(owners)]
        return self.made(f"backlog_{count}_{owners}", command, count=count)

    def made(self, label: str, command: list[str], *, count: int) -> str:
        """Give the name of a database that a command fills, which runs now if it is not there."""
        name = f"{label}_{_mark()}"
        if self._admin.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
            return name
        print(f"  filling {count:,} jobs, once ...", flush=True)
        half = f"{name}_half"
        self._make("drop database if exists {} with (force)", half)
        self._make("create database {}", half)
        subprocess.run(
            command, cwd=_ROOT, env=self.environment(half), stdout=subprocess.DEVNULL, check=True
        )
        self._make("alter database {} rename to {}", half, name)
        return name

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
        found = Databases(servers.start())
        try:
            yield found
        finally:
            found.close()
    finally:
        servers.stop()


def _mark() -> str:
    """Give what a filled database depends on, in short."""
    digest = sha256((_ROOT / "bench" / "backlog.py").read_bytes())
    digest.update((_ROOT / "bench" / "growth.py").read_bytes())
    for path in sorted(_ROOT.glob("*/migrations/*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
