"""What docs/openai.md tells people to run, run as they would run it."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from proofs.sinks.running import Sink, sink
from tests.journeys.sdks import environments
from tests.openai.pictures import png
from tests.stack import ROOT, RunningStack

_TEXT = (ROOT / "docs" / "openai.md").read_text()
_PATIENCE = 120
_PYTHON, _JAVASCRIPT = "3.54.0", "7.57.0"


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _TEXT, re.MULTILINE | re.DOTALL)


def _run(command: list[str], stack: RunningStack, folder: Path, **more: str) -> str:
    told = {
        "OPENAI_BASE_URL": f"{stack.url}/v1",
        "OPENAI_API_KEY": stack.account("enterprise")["api_key"],
        **more,
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

    made, from_image, _, receiving = _blocks("python")

    said = [_run([program, "-c", block], running_stack, tmp_path) for block in (made, from_image)]
    told = _signed({"type": "video.completed", "data": {"id": said[0].split()[0]}})
    calling = f"{receiving}\nprint(received(**{told!r}).status)"
    received = _run([program, "-c", calling], running_stack, tmp_path)

    assert [line.split()[1] for line in said] == ["completed", "queued"]
    assert (tmp_path / "whale.mp4").read_bytes()[4:8] == b"ftyp"
    assert received == "completed\n"


def _signed(event: dict[str, Any]) -> dict[str, Any]:
    """Sign an event as it comes to a receiver."""
    secret = f"whsec_{base64.b64encode(b'a secret of the one who receives').decode()}"
    now = datetime.now(UTC)
    body = json.dumps({"id": "evt_1", "object": "event", "created_at": 1, **event})
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("evt_1", now, body),
    }
    return {"body": body, "headers": headers, "secret": secret}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """Give the program that messages go to."""
    with sink("http", tmp_path_factory.mktemp("http")) as running:
        yield running


def test_python_manages_webhooks(
    running_stack: RunningStack, tmp_path: Path, receiver: Sink
) -> None:
    program = str(environments.python(_PYTHON))
    address = f"http://127.0.0.1:{receiver.port}/ok"

    said = _run([program, "-c", _blocks("python")[2]], running_stack, tmp_path, WEBHOOK_URL=address)

    types, made, status, listed = said.splitlines()
    assert types == "['video.completed', 'video.failed']"
    assert made.split()[1].startswith("whsec_")
    assert status == "204"
    assert "shop, Europe" in listed
    assert made.split()[1] not in listed


def test_curl_manages_webhooks(running_stack: RunningStack, tmp_path: Path, receiver: Sink) -> None:
    if not shutil.which("curl"):
        pytest.skip("No curl on this machine.")
    address = f"http://127.0.0.1:{receiver.port}/ok"

    said = _run(["sh", "-e", "-c", _blocks("sh")[2]], running_stack, tmp_path, WEBHOOK_URL=address)

    assert '"signing_secret": "whsec_' in said
    # One person has one test at a time, and another may have been a moment ago.
    assert '"status_code": 204' in said or '"too_soon"' in said
    assert '"webhook_endpoint.deleted"' in said


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
