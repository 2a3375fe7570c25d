"""The embedded servers and the one command: data kept, crashes survived, faults in one line."""

import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.stack import ROOT, RunningStack
from videogen.embedded import demo, leftovers, places
from videogen.embedded.faults import StartFailed

pytestmark = pytest.mark.long


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()

    with pytest.raises(StartFailed) as failure:
        places.prepare(blocked / "data")

    assert "DATA_DIR=" in str(failure.value)


def test_a_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = places.secret(tmp_path, "key")

    assert places.secret(tmp_path, "key") == first
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_commands_get_every_setting_of_the_processes(tmp_path: Path) -> None:
    places.prepare(tmp_path)
    given = {"SECRET_KEY": "now", "SEALING_KEYS": "new key,old key", "VAPID_PRIVATE_KEY_FILE": "/k"}

    demo.write(tmp_path, {}, environment={**given, "PATH": "/bin", "PROBED_URLS": "web=x"})

    lines = (tmp_path / "run" / "env").read_text().splitlines()
    found = dict(shlex.split(line)[0].split("=", 1) for line in lines)
    assert found == {**given, "STACK_PID": str(os.getpid())}


def test_a_long_path_gets_a_short_folder_for_sockets(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    places.prepare(deep)

    assert len(os.fsencode(places.runtime_dir(deep))) < 80
    places.remove_runtime_dir(deep)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [({"PORT": "80000"}, "PORT must be a port number"), ({"PORT": "abc"}, "PORT must be")],
)
def test_a_wrong_port_is_one_line(environment: dict[str, str], reason: str, tmp_path: Path) -> None:
    result = _start(DATA_DIR=str(tmp_path), **environment)

    assert result.returncode == 1
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("start", 2)])
def test_an_argument_starts_nothing(argument: str, code: int, tmp_path: Path) -> None:
    result = _start(argument, DATA_DIR=str(tmp_path / "data"))

    assert result.returncode == code
    assert "usage: bin/dev" in result.stdout + result.stderr
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_names_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = _start(DATA_DIR=str(tmp_path), PORT=str(port))

    assert result.returncode == 1
    assert f"Port {port} (PORT) is in use" in result.stderr
    assert "PORT=9000 bin/dev" in result.stderr


def test_a_second_start_in_the_same_folder_leaves_the_first_alone(tmp_path: Path) -> None:
    places.prepare(tmp_path)
    (tmp_path / "demo.json").touch()
    with (tmp_path / "run" / "stack.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        result = _start(DATA_DIR=str(tmp_path))

    assert result.returncode == 1
    assert "already runs" in result.stderr
    assert (tmp_path / "demo.json").exists()


def test_a_data_folder_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    result = _start(DATA_DIR=str(tmp_path / "file" / "data"))

    assert result.returncode == 1
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_folder_for_sockets_stays_the_same_until_it_is_removed(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    first = places.runtime_dir(deep)

    assert places.runtime_dir(deep) == first
    places.remove_runtime_dir(deep)
    assert not first.exists()


def test_the_end_of_the_supervisor_is_told_and_stops_everything() -> None:
    with RunningStack() as stack:
        daemon = int((stack.data_dir / "run" / "supervisord.pid").read_text())

        os.kill(daemon, signal.SIGTERM)
        status = stack.wait()

        assert status == 1
        assert "The supervisor ended" in stack.output()
        assert "Traceback" not in stack.output()
        assert not _servers_of(stack.data_dir)


def test_a_crash_of_everything_is_survived_and_a_stop_leaves_nothing() -> None:
    with RunningStack() as stack:
        account = stack.account("pro")
        stack.kill_everything()

        stack.start()
        again = stack.account("pro")
        running = leftovers.of_stack(str(stack.data_dir))
        status = stack.stop()

        assert again == account
        assert running
        assert status == 0
        assert leftovers.of_stack(str(stack.data_dir)) == []
        assert not _servers_of(stack.data_dir)
        assert not (stack.data_dir / "demo.json").exists()


def _servers_of(data_dir: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(data_dir) in word for word in process.info["cmdline"] or ())
    ]


def _start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "videogen.embedded.stack", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
