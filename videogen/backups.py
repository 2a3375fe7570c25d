"""A copy of the whole database in one file, and back: PostgreSQL's own programs, and nothing half done.

A backup is one moment of the database, taken while everything runs. A restore is one transaction: it replaces all
that is there, or leaves it as it was. Redis holds nothing that is worth a copy.
"""

import os
import re
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import connection

from videogen.postgresql import programs
from videogen.postgresql.client import Client

_LISTED: Final = re.compile(r"^\d+; .* TABLE DATA public (\S+) ", re.MULTILINE)
_TABLES: Final = """
select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
"""
# Of the sessions of other roles an owner that is no superuser sees neither what they do nor what kind they are.
_OTHERS: Final = """
select coalesce(nullif(application_name, ''), usename, 'somebody') from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and usename is not null
    and coalesce(backend_type, 'client backend') = 'client backend'
order by 1 limit 5
"""
_EMPTY: Final = """
drop schema public cascade; create schema public authorization pg_database_owner; grant usage on schema public to public
"""


class BackupFailed(Exception):
    """A backup or restore that did not happen; the database is as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """PostgreSQL's programs that make and read backups."""

    folder: Path

    def path(self, name: str) -> str:
        """Give the path of one program."""
        return str(self.folder / name)


def save(file: Path) -> int:
    """Write a backup into a file that only its owner reads, or nothing; give its bytes. Raises BackupFailed."""
    tools = _programs()
    draft = file.with_name(f".{file.name}.part")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    except OSError as error:
        raise BackupFailed(f"{file} cannot be written: {error.strerror}.") from error
    try:
        _run(
            tools.path("pg_dump"), "--format=custom", "--no-owner", "--no-privileges",
            f"--file={draft}", connection.settings_dict["NAME"],
        )  # fmt: skip
        _tables_of(tools, draft)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return file.stat().st_size


def restore(file: Path, *, replace: bool) -> int:
    """Put a backup into the database; give the number of its tables. Raises BackupFailed.

    A database that has tables is left alone, unless `replace`; one that somebody uses always. The roles' rights are
    not in a backup: `database_roles` gives them again.
    """
    tools = _programs()
    tables = _tables_of(tools, file)
    _check_room(replace=replace)
    connection.close()
    name = connection.settings_dict["NAME"]
    # Read to its end before the transaction commits: half a backup must not be taken for a whole one.
    with (
        subprocess.Popen(
            [tools.path("pg_restore"), "--no-owner", "--no-privileges", "--schema=public", "--file=-", file],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as reading,
        subprocess.Popen(
            [
                tools.path("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1",
                "--single-transaction", f"--command={_EMPTY}", "--file=-", name,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
        ) as writing,
    ):  # fmt: skip
        _pass_on(reading, writing)
    return tables


def _pass_on(reading: "subprocess.Popen[bytes]", writing: "subprocess.Popen[bytes]") -> None:
    if reading.stdout is None or writing.stdin is None:
        raise BackupFailed("The programs of PostgreSQL could not be connected.")
    with suppress(BrokenPipeError):
        # A writer that stopped reading says why when it has ended.
        shutil.copyfileobj(reading.stdout, writing.stdin)
    reading.stdout.close()
    if reading.wait() and writing.poll() is None:
        # Before it sees the end of the script and commits what it has.
        writing.kill()
        reason = reading.stderr
    else:
        reason = writing.stderr
    with suppress(BrokenPipeError):
        writing.stdin.close()
    said = reason.read() if reason else b""
    if reading.returncode or writing.wait():
        raise BackupFailed(_last_line(said))


def _check_room(*, replace: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        count = cursor.fetchone()[0]
        cursor.execute(_OTHERS)
        others = [name for (name,) in cursor.fetchall()]
    if count and not replace:
        raise BackupFailed(
            f"The database has {count} tables. Give an empty one, or say --yes: all that is in it is lost then."
        )
    if others:
        raise BackupFailed(f"The database is in use by {', '.join(others)}. Stop every process.")


def _tables_of(tools: Programs, file: Path) -> int:
    """Count the tables in a backup. Raises BackupFailed for a file that is none, or not ours."""
    if not file.is_file():
        raise BackupFailed(f"{file} is no file.")
    listed = _run(tools.path("pg_restore"), "--list", str(file))
    tables = _LISTED.findall(listed)
    if "ledger_entry" not in tables:
        raise BackupFailed(f"{file} is no backup of videogen.")
    return len(tables)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, env=_environment(), capture_output=True, check=False, text=True, errors="replace"
    )
    if done.returncode:
        raise BackupFailed(_last_line(done.stderr.encode()))
    return done.stdout


def _environment() -> dict[str, str]:
    """Give the programs the connection of the settings; the password where no list of processes shows it."""
    there: dict[str, Any] = connection.settings_dict
    _, secrets = Client.settings_to_cmd_args_env(there, ())
    given = {
        "PGHOST": there["HOST"],
        "PGPORT": str(there["PORT"]),
        "PGUSER": there["USER"],
        "PGAPPNAME": "videogen backup",
        **(secrets or {}),
    }
    return {**os.environ, **{name: value for name, value in given.items() if value}}


def _programs() -> Programs:
    """Find programs that are not older than the server. Raises BackupFailed."""
    with connection.cursor() as cursor:
        cursor.execute("show server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    for folder in programs.folders("pg_dump"):
        if _version(folder / "pg_dump") >= server:
            return Programs(folder=folder)
    raise BackupFailed(
        f"There is no pg_dump of PostgreSQL {server} or newer. Install its client, or name its folder in POSTGRES_BIN."
    )


def _version(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, check=False, text=True)
    found = re.search(r"(\d+)", said.stdout)
    return int(found[1]) if found else 0


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "PostgreSQL's program gave no reason."
