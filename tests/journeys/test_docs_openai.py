"""What docs/openai.md tells people to run, run as they would run it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.journeys.sdks import environments
from tests.openai.pictures import png
from tests.stack import ROOT, RunningStack

_TEXT = (ROOT / "docs" / "openai.md").read_text()
_PATIENCE = 120
_PYTHON, _JAVASCRIPT = "3.52.0", "7.57.0"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _TEXT, re.MULTILINE | re.DOTALL)


def _run(command: list[str], stack: RunningStack, folder: Path) -> str:
    told = {
        "OPENAI_BASE_URL": f"{stack.url}/v1",
        "OPENAI_API_KEY": stack.account("enterprise")["api_key"],
    }
    ended = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **told, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_variables_are_those_that_the_sdks_read() -> None:
    assert re.findall(r"export (\w+)=", _blocks("sh")[0]) == ["OPENAI_BASE_URL", "OPENAI_API_KEY"]


def test_python_makes_and_saves_a_video(running_stack: RunningStack, tmp_path: Path) -> None:
    program = str(environments.python(_PYTHON))
    (tmp_path / "reference.png").write_bytes(png(side=64))

    said = [_run([program, "-c", block], running_stack, tmp_path) for block in _blocks("python")]

    assert [line.split()[1] for line in said] == ["completed", "queued"]
    assert (tmp_path / "whale.mp4").read_bytes()[4:8] == b"ftyp"


def test_javascript_makes_and_saves_a_video(running_stack: RunningStack, tmp_path: Path) -> None:
    shutil.copytree(
        environments.node(_JAVASCRIPT) / "node_modules", tmp_path / "node_modules", symlinks=True
    )
    (tmp_path / "program.mjs").write_text(_blocks("js")[0])

    said = _run(["node", "program.mjs"], running_stack, tmp_path)

    assert said.split()[1] == "completed"
    assert (tmp_path / "fog.mp4").read_bytes()[4:8] == b"ftyp"


def test_curl_makes_and_lists_videos(running_stack: RunningStack, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        pytest.skip("No curl on this machine.")

    said = _run(["sh", "-e", "-c", _blocks("sh")[1]], running_stack, tmp_path)

    assert said.count('"object": "video"') >= 2
    assert '"object": "list"' in said
    assert '"id": "preview"' in said
