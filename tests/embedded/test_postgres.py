"""The embedded PostgreSQL: what was written survives stops and crashes; nobody enters without the password."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from videogen.embedded import places, postgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that the database's own user may enter, also when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="videogen-pg-", dir="/tmp") as made:
        path = Path(made)
        path.chmod(0o755)
        places.prepare(path)
        yield path


@contextlib.contextmanager
def _running(server: postgres.Postgres) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        server.command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
        **postgres.as_server_user(),
    )
    try:
        deadline = time.monotonic() + 20
        while not server.is_ready_with_database():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def _write(server: postgres.Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("create table if not exists kept (word text)")
        connection.execute("insert into kept values ('here')")


def _words(server: postgres.Postgres) -> int:
    with psycopg.connect(server.url) as connection:
        found = connection.execute("select count(*) from kept").fetchone()
    assert found
    return int(found[0])


@pytest.mark.parametrize(("gigabytes", "expected"), [(0.5, 128), (4, 512), (24, 3072), (64, 4096)])
def test_the_cache_is_an_eighth_of_the_machine_within_bounds(
    gigabytes: float, expected: int
) -> None:
    assert postgres.cache_megabytes(round(gigabytes * 2**30)) == expected


def test_rows_are_there_after_a_stop(folder: Path) -> None:
    first = postgres.prepare(folder)
    with _running(first):
        _write(first)

    second = postgres.prepare(folder)
    with _running(second):
        found = _words(second)

    assert found == 1
    assert second.url == first.url


def test_rows_are_there_after_a_crash(folder: Path) -> None:
    first = postgres.prepare(folder)
    with _running(first) as process:
        _write(first)
        process.kill()
        process.wait()
        left_behind = (first.data / "postmaster.pid").exists()

    second = postgres.prepare(folder)
    with _running(second):
        found = _words(second)

    assert left_behind
    assert found == 1


def test_a_server_left_running_is_stopped_before_the_next_start(folder: Path) -> None:
    first = postgres.prepare(folder)
    with _running(first) as process:
        postgres.prepare(folder)
        ended = process.wait(10)

    assert ended is not None


def test_a_stranger_process_with_the_number_of_the_lock_file_is_left_alone(folder: Path) -> None:
    server = postgres.prepare(folder)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"]) as stranger:
        (server.data / "postmaster.pid").write_text(f"{stranger.pid}\n")

        postgres.end_leftover(server.data)

        lives = psutil.Process(stranger.pid).status() != psutil.STATUS_ZOMBIE
        stranger.kill()
    assert lives


def test_the_password_is_needed_and_fsync_stays_on(folder: Path) -> None:
    server = postgres.prepare(folder)
    with _running(server):
        wrong = server.url.replace(server.password, "wrong")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
        with psycopg.connect(server.url) as connection:
            shown = connection.execute("show fsync").fetchone()
            addresses = connection.execute("show listen_addresses").fetchone()

    assert shown == ("on",)
    assert addresses == ("127.0.0.1",)
