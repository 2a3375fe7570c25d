"""The preview renderer as a process: what it makes, what it says, and what it leaves behind."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.openai.pictures import png

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "jobs.backends.preview.renderer"]
FAMILIES = [
    "A calm sea at dusk",
    "A whale, underwater",
    "Fog in a pine valley",
    "Copper dunes at noon",
    "Aurora over the polar circle",
    "The moon and the stars",
    "Neon rain in the city",
    "Ink, macro",
    "",
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Give a long render that has begun."""
    process = _begin(_request(tmp_path, seconds=20, width=1280, height=720))
    assert process.stdout
    while "progress" not in process.stdout.readline():
        assert process.poll() is None
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".part"] * 3
    yield process
    process.kill()
    process.wait()


def test_a_clip_has_the_size_rate_and_length_that_were_asked_for(tmp_path: Path) -> None:
    status, messages = _render(_request(tmp_path, seconds=1.5, width=144, height=256))

    assert status == 0
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        stream = clip.streams.video[0]
        frames = sum(1 for _ in clip.decode(stream))
        assert (stream.width, stream.height, str(stream.average_rate)) == (144, 256, "24")
        assert (stream.codec_context.name, stream.pix_fmt, frames) == ("h264", "yuv420p", 36)
    done = messages[-1]
    assert done["frames"] == 36
    assert done["bytes"] == (tmp_path / "clip.mp4").stat().st_size
    assert Image.open(tmp_path / "clip.webp").size == (144, 256)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["clip-sheet.webp", "clip.mp4", "clip.webp"]


def test_a_browser_can_start_before_the_whole_clip_is_there(tmp_path: Path) -> None:
    _render(_request(tmp_path))

    clip = (tmp_path / "clip.mp4").read_bytes()
    assert clip.index(b"moov") < clip.index(b"mdat")


def test_progress_rises_and_ends_with_done(tmp_path: Path) -> None:
    _, messages = _render(_request(tmp_path, seconds=3, width=640, height=360))

    percents = [each["percent"] for each in messages if each["event"] == "progress"]
    assert [each["event"] for each in messages] == [
        "started",
        *("progress" for _ in percents),
        "done",
    ]
    assert percents == sorted(set(percents))
    assert percents[-1] == 100


def test_a_clip_shows_the_image_that_it_begins_from(tmp_path: Path) -> None:
    red = base64.b64encode(png(250, 0, 0)).decode()
    _render(_request(tmp_path, name="plain"))
    _render(_request(tmp_path, name="red", image=red))

    plain, shown = (
        Image.open(tmp_path / f"{name}.webp").convert("RGB").resize((1, 1)).getpixel((0, 0))
        for name in ("plain", "red")
    )
    assert isinstance(plain, tuple)
    assert isinstance(shown, tuple)
    assert shown[0] > 180
    assert shown[1] < 80
    assert plain[0] < 180


@pytest.mark.parametrize("image", [b"\xff\xd8\xff no image", png()[:45], b"GIF89a"])
def test_an_image_that_cannot_be_decoded_is_told(tmp_path: Path, image: bytes) -> None:
    status, messages = _render(_request(tmp_path, image=base64.b64encode(image).decode()))

    assert status == 1
    assert messages[-1]["code"] == "invalid_request"
    assert "image" in messages[-1]["message"]
    assert list(tmp_path.iterdir()) == []


def test_a_changed_video_is_the_same_scene_in_other_colours(tmp_path: Path) -> None:
    scene = {"prompt": "A calm sea", "seed": 7}
    _render(_request(tmp_path, name="plain", prompt="A calm sea", seed=7))
    _render(_request(tmp_path, name="changed", prompt="Fog in a valley", seed=7, scene=scene))

    plain, changed = (
        np.asarray(Image.open(tmp_path / f"{name}.webp").convert("RGB").crop((0, 0, 256, 100)), int)
        for name in ("plain", "changed")
    )
    assert np.abs(plain.sum(axis=2) - changed.sum(axis=2)).mean() < 12
    assert np.abs(plain - changed).mean() > 5


def test_the_same_request_gives_the_same_frames(tmp_path: Path) -> None:
    first = _frames_of(tmp_path, "one", prompt="A calm sea")
    again = _frames_of(tmp_path, "two", prompt="A calm sea")

    assert first == again


def test_another_prompt_or_seed_gives_other_frames(tmp_path: Path) -> None:
    found = {
        _frames_of(tmp_path, "one", prompt="A calm sea"),
        _frames_of(tmp_path, "two", prompt="A stormy sea"),
        _frames_of(tmp_path, "three", prompt="A calm sea", seed=7),
    }

    assert len(found) == 3


def test_the_seed_it_names_gives_the_same_clip_again(tmp_path: Path) -> None:
    _, messages = _render(_request(tmp_path, name="one"))
    _, again = _render(_request(tmp_path, name="two", seed=messages[-1]["seed"]))

    assert again[-1] == messages[-1]
    assert _hash_of(tmp_path / "one.mp4") == _hash_of(tmp_path / "two.mp4")


@pytest.mark.parametrize("prompt", FAMILIES)
def test_every_scene_moves_and_fits_every_shape(tmp_path: Path, prompt: str) -> None:
    status, _ = _render(_request(tmp_path, prompt=prompt, width=128, height=1280))

    assert status == 0
    with av.open(str(tmp_path / "clip.mp4")) as clip:
        frames = [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]
    top = 1000
    assert (frames[0][:top] != frames[-1][:top]).any()
    assert frames[0].std() > 5


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("🙂👩‍🚀🌊 sea", id="emoji"),
        pytest.param("שלום עולם, ים", id="hebrew"),
        pytest.param("مرحبا بالعالم", id="arabic"),
        pytest.param("海の上の月", id="japanese"),
        pytest.param("x\x00\n\t\u202e y", id="control"),
        pytest.param("\ud800", id="half a character"),
        pytest.param("🐋" * 50, id="nothing but emoji"),
        pytest.param("<b>&\x07", id="markup"),
        pytest.param("fog " * 1000, id="4,000 characters"),
    ],
)
def test_any_text_can_be_a_prompt(tmp_path: Path, prompt: str) -> None:
    status, messages = _render(_request(tmp_path, prompt=prompt))

    assert (status, messages[-1]["event"]) == (0, "done")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"width": 255}, "invalid_size"),
        ({"width": 126}, "invalid_size"),
        ({"height": 1282}, "invalid_size"),
        ({"height": "tall"}, "invalid_request"),
        ({"seconds": 0.5}, "invalid_seconds"),
        ({"seconds": 21}, "invalid_seconds"),
        ({"seconds": float("nan")}, "invalid_seconds"),
        ({"width": float("inf")}, "invalid_request"),
        ({"thumbnail": "/tmp/still.exe"}, "invalid_request"),
        ({"output": None}, "invalid_request"),
        ({"output": "/nowhere/clip.mp4"}, "storage"),
    ],
)
def test_a_bad_request_is_refused_with_a_code(
    tmp_path: Path, change: dict[str, Any], code: str
) -> None:
    status, messages = _render(_request(tmp_path) | change)

    assert status == 1
    assert [(each["event"], each["code"]) for each in messages] == [("failed", code)]
    assert messages[0]["message"].endswith(".")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "17", '{"prompt": "x"}'])
def test_what_is_no_request_is_refused(text: str) -> None:
    done = subprocess.run(
        COMMAND, cwd=ROOT, input=f"{text}\n", capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == "invalid_request"
    assert done.stderr == ""


def test_a_stopped_render_leaves_no_files(running: subprocess.Popen[str], tmp_path: Path) -> None:
    running.terminate()

    assert running.wait(5) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_stop_that_comes_after_done_takes_nothing_away(tmp_path: Path) -> None:
    process = _begin(_request(tmp_path))
    assert process.stdout
    with process.stdout as lines:
        while "done" not in lines.readline():
            assert process.poll() is None

        process.terminate()

    assert process.wait(5) in {0, -signal.SIGTERM}
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["clip-sheet.webp", "clip.mp4", "clip.webp"]


def test_a_render_that_nobody_reads_ends_by_itself(
    running: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert running.stdout
    running.stdout.close()

    assert running.wait(5) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_render_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    request = _request(tmp_path, seconds=20, width=1280, height=720)
    # The reader's end stays open here, so that only the parent's death can be the sign.
    reader, writer = os.pipe()
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, text=True)\n"
        "child.stdin.write(sys.argv[1] + '\\n')\n"
        "child.stdin.flush()\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(request), *COMMAND], cwd=ROOT, stdout=writer
    )
    os.close(writer)
    with os.fdopen(reader) as lines:
        while "progress" not in lines.readline():
            assert parent.poll() is None

        parent.kill()
        parent.wait()
        # Reads to the end, which comes when the renderer is gone.
        rest = lines.read()

    assert "done" not in rest
    assert _emptied(tmp_path)


def test_the_renderer_needs_no_django() -> None:
    code = (
        "import sys, jobs.backends.preview.renderer\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('django', 'celery')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def _request(folder: Path, *, name: str = "clip", **changes: Any) -> dict[str, Any]:
    return {
        "prompt": "A calm sea at dusk",
        "seed": None,
        "seconds": 1,
        "width": 256,
        "height": 144,
        "output": str(folder / f"{name}.mp4"),
        "thumbnail": str(folder / f"{name}.webp"),
    } | changes


def _begin(request: dict[str, Any]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        COMMAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.close()
    return process


def _render(request: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
    process = _begin(request)
    assert process.stdout
    with process.stdout as lines:
        messages = [json.loads(line) for line in lines]
    return process.wait(30), messages


def _frames_of(folder: Path, name: str, **changes: Any) -> str:
    _render(_request(folder, name=name, **changes))
    return _hash_of(folder / f"{name}.mp4")


def _hash_of(path: Path) -> str:
    digest = hashlib.sha256()
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            digest.update(frame.to_ndarray(format="rgb24").tobytes())
    return digest.hexdigest()


def _emptied(folder: Path) -> bool:
    deadline = time.monotonic() + 60
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(folder.iterdir())
