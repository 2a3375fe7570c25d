"""The renderer process: real clips, true progress, clean ends."""

import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from tests.stack import ROOT

COMMAND = [sys.executable, "-m", "jobs.backends.preview.renderer"]


def _request(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "prompt": "a whale",
        "seed": None,
        "seconds": 1,
        "width": 256,
        "height": 144,
        "output": str(folder / "clip.mp4"),
        "thumbnail": str(folder / "clip.webp"),
        **changes,
    }


def _render(request: dict[str, Any] | str) -> tuple[int, list[dict[str, Any]]]:
    text = request if isinstance(request, str) else json.dumps(request)
    done = subprocess.run(
        COMMAND, input=text + "\n", capture_output=True, text=True, cwd=ROOT, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def _frames(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in file.decode(video=0)]


@pytest.mark.parametrize(("width", "height"), [(256, 144), (144, 256)])
def test_a_clip_has_the_length_and_size_that_were_asked(
    tmp_path: Path, width: int, height: int
) -> None:
    status, messages = _render(_request(tmp_path, width=width, height=height))

    with av.open(str(tmp_path / "clip.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (width, height)
        assert stream.average_rate == Fraction(24)
        assert stream.codec_context.name == "h264"
    percents = [message["percent"] for message in messages if message["event"] == "progress"]
    assert status == 0
    assert len(_frames(tmp_path / "clip.mp4")) == 24
    assert (messages[0]["event"], messages[-1]["event"]) == ("started", "done")
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert (tmp_path / "clip.webp").stat().st_size > 0


def test_the_same_request_gives_the_same_frames_and_another_prompt_others(tmp_path: Path) -> None:
    clips = []
    for prompt in ("a whale", "a whale", "neon rain"):
        _render(_request(tmp_path, prompt=prompt))
        clips.append(_frames(tmp_path / "clip.mp4"))

    assert clips[0] == clips[1]
    assert clips[0] != clips[2]


@pytest.mark.parametrize(
    "prompt", ["🐋" * 50, "مرحبا بالعالم", "x" * 4000, "\u202ertl\x07", "<b>&"]
)
def test_any_prompt_can_be_written_on_a_frame(tmp_path: Path, prompt: str) -> None:
    status, _ = _render(_request(tmp_path, prompt=prompt, seconds=0.2))

    assert status == 0


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"width": 255}, "invalid_size"),
        ({"height": 5000}, "invalid_size"),
        ({"seconds": 0}, "invalid_seconds"),
        ({"seconds": 100}, "invalid_seconds"),
        ({"output": "/nowhere/clip.mp4"}, "storage"),
    ],
)
def test_what_cannot_be_rendered_is_told(
    tmp_path: Path, request_: dict[str, Any], code: str
) -> None:
    status, messages = _render(_request(tmp_path, **request_))

    assert status == 1
    assert (messages[-1]["event"], messages[-1]["code"]) == ("failed", code)
    assert not list(tmp_path.glob("*.part"))


def test_no_request_at_all_is_told() -> None:
    status, messages = _render("not json")

    assert (status, messages[-1]["code"]) == (1, "invalid_request")


def test_a_stop_leaves_no_file(tmp_path: Path) -> None:
    process = _started(_request(tmp_path, seconds=20, width=1280, height=720))

    process.terminate()

    assert process.wait(5) == 143
    assert list(tmp_path.iterdir()) == []


def test_a_renderer_whose_worker_died_ends_and_tidies_up(tmp_path: Path) -> None:
    process = _started(_request(tmp_path, seconds=20, width=1280, height=720))

    assert process.stdout
    process.stdout.close()

    assert process.wait(10) != 0
    assert list(tmp_path.iterdir()) == []


def _started(request: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    process.stdout.readline()
    time.sleep(0.3)
    return process
