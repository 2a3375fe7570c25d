"""The command `videogen` against the running stack, as a person and as a script use it."""

import json
import os
import stat
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.stack import ROOT, RunningStack
from videogen_cli.exits import Exit


class Terminal:
    """Runs the command with a configuration file of its own."""

    def __init__(self, stack: RunningStack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "VIDEOGEN_CONFIG": str(folder / "videogen" / "credentials.json"),
            "VIDEOGEN_URL": stack.url,
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "videogen_cli", *arguments],
            input=typed,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def json(self, *arguments: str, code: Exit = Exit.OK) -> Any:
        result = self.run(*arguments, "--json")
        assert result.returncode == code, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def terminal(running_stack: RunningStack, tmp_path: Path) -> Terminal:
    terminal = Terminal(running_stack, tmp_path)
    account = running_stack.account("internal")
    result = terminal.run("login", typed=account["api_key"])
    assert result.returncode == 0, result.stderr
    return terminal


def test_a_prompt_becomes_a_file_and_its_progress_is_told(terminal: Terminal) -> None:
    result = terminal.run("submit", "A kite over dunes", "--seconds", "2", "-o", "kite.mp4")

    assert result.returncode == Exit.OK, result.stderr
    assert (terminal.folder / "kite.mp4").read_bytes()[4:8] == b"ftyp"
    assert result.stdout.splitlines()[1].startswith("Ready, 2 credits: http")
    assert result.stderr.splitlines()[-1] == "Ready"
    again = terminal.run("download", result.stdout.split()[0], "-o", "kite.mp4")
    assert again.returncode == Exit.LOCAL
    assert "--force" in again.stderr
    assert [path.name for path in terminal.folder.iterdir() if path.is_file()] == ["kite.mp4"]


def test_a_script_submits_lists_cancels_and_watches_in_json(terminal: Terminal) -> None:
    (job,) = terminal.json("submit", "A slow barge", "--seconds", "12", "--no-wait", "--key", "k1")
    (replay,) = terminal.json(
        "submit", "A slow barge", "--seconds", "12", "--no-wait", "--key", "k1"
    )
    assert replay["id"] == job["id"]
    assert job["id"] in [one["id"] for one in terminal.json("list")]

    terminal.json("cancel", job["id"])
    (ended,) = terminal.json("watch", job["id"], code=Exit.NO_VIDEO)

    assert ended["state"] == "canceled"
    assert terminal.run("download", job["id"]).returncode == Exit.NO_VIDEO


def test_a_prompt_comes_from_a_pipe(terminal: Terminal) -> None:
    result = terminal.run("submit", "-", "--no-wait", "--seconds", "2", typed="A piped river")

    assert result.returncode == Exit.OK
    terminal.run("cancel", result.stdout.strip())


def test_a_password_signs_in_too_and_signing_out_ends_the_session(
    running_stack: RunningStack, tmp_path: Path
) -> None:
    terminal = Terminal(running_stack, tmp_path)
    account = running_stack.account("internal")

    wrong = terminal.run("login", "--email", account["email"], typed="wrong")
    assert (wrong.returncode, "do not match" in wrong.stderr) == (Exit.REFUSED, True)
    right = terminal.run("login", "--email", account["email"], typed=account["password"])
    assert right.returncode == Exit.OK, right.stderr
    kept = Path(terminal.environment["VIDEOGEN_CONFIG"])
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert account["password"] not in kept.read_text()
    session = kept.read_text()
    assert terminal.run("list").returncode == Exit.OK

    assert terminal.run("logout").returncode == Exit.OK
    assert terminal.run("list").returncode == Exit.NOT_ALLOWED
    kept.write_text(session)
    # A process that knew the session believes it for a second more.
    deadline = time.monotonic() + 20
    while (known := terminal.run("list").returncode) == Exit.OK and time.monotonic() < deadline:
        pass
    assert known == Exit.NOT_ALLOWED


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["submit", "x", "--seconds", "99"], Exit.REFUSED, "seconds:"),
        (["watch", "01a1fde3-1c8e-77e4-93dc-ffaf9f003fb8"], Exit.NOT_FOUND, "no such thing"),
        (["list", "--url", "http://127.0.0.1:1"], Exit.NOT_ALLOWED, "videogen login"),
        (["list", "--url", "ftp://x"], Exit.NOT_ALLOWED, "Not signed in"),
        (["submit"], Exit.USAGE, "required"),
    ],
)
def test_what_goes_wrong_is_said_plainly_with_a_code_of_its_own(
    terminal: Terminal, arguments: list[str], code: Exit, said: str
) -> None:
    result = terminal.run(*arguments)

    assert result.returncode == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_what_one_server_gave_is_shown_to_no_other_and_a_bad_key_is_refused(
    terminal: Terminal,
) -> None:
    terminal.environment["VIDEOGEN_API_KEY"] = "vg_bad"
    assert terminal.run("list").returncode == Exit.NOT_ALLOWED
    away = terminal.run("list", "--url", "http://127.0.0.1:1")
    assert away.returncode == Exit.UNAVAILABLE
    assert "cannot be reached" in away.stderr


def test_the_package_installs_the_command_and_needs_nothing_else() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["scripts"] == {"videogen": "videogen_cli.main:main"}
    assert project["project"]["dependencies"] == []
    assert project["tool"]["setuptools"]["packages"] == ["videogen_cli"]
