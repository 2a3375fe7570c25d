"""The renderer process: one JSON request on standard input, one clip, JSON lines on standard output.

It runs at the lowest priority on one thread, and ends when its parent is gone. It is not a model, and
every frame says so.
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import contextlib
import json
import signal
import sys
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import Any, Final

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jobs.backends.preview.scene import Picture, Scene, seed_of

FRAME_RATE: Final = 24
_SMALLEST, _LARGEST = 128, 1280
_LONGEST_SECONDS: Final = 20
# Scenes are soft: they are drawn at this fraction of the size and scaled up.
_SCALE: Final = 2
_PROGRESS_EVERY: Final = 0.1
_NOTE: Final = "Preview render, not AI"


class RequestRefused(Exception):
    """A request that cannot be rendered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to render, and where to."""

    prompt: str
    seed: int | None
    seconds: float
    width: int
    height: int
    output: Path
    thumbnail: Path

    @classmethod
    def read(cls, text: str) -> "Request":
        """Read and check the JSON request. Raises RequestRefused."""
        try:
            data: dict[str, Any] = json.loads(text)
            found = cls(
                prompt=str(data["prompt"]),
                seed=None if data.get("seed") is None else int(data["seed"]),
                seconds=float(data["seconds"]),
                width=int(data["width"]),
                height=int(data["height"]),
                output=Path(data["output"]),
                thumbnail=Path(data["thumbnail"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RequestRefused(
                "invalid_request", f"The request is not complete: {error}."
            ) from None
        for side in (found.width, found.height):
            if not _SMALLEST <= side <= _LARGEST or side % 2:
                raise RequestRefused(
                    "invalid_size",
                    f"Sides must be even, from {_SMALLEST} to {_LARGEST} pixels.",
                )
        if not 0 < found.seconds <= _LONGEST_SECONDS:
            raise RequestRefused(
                "invalid_seconds", f"A clip has at most {_LONGEST_SECONDS} seconds."
            )
        return found


def main() -> int:
    """Render one request; give the exit status."""
    _be_modest()
    signal.signal(signal.SIGTERM, _leave)
    parts: list[Path] = []
    try:
        request = Request.read(sys.stdin.readline())
        parts = [_part(request.output), _part(request.thumbnail)]
        _say(event="started")
        frames = _render(request, *parts)
        parts[1].replace(request.thumbnail)
        parts[0].replace(request.output)
        _say(
            event="done",
            frames=frames,
            bytes=request.output.stat().st_size,
            seed=seed_of(request.prompt, request.seed),
        )
    except RequestRefused as refusal:
        _say(event="failed", code=refusal.code, message=refusal.message)
        return 1
    except BrokenPipeError:
        # Nobody listens: the worker is gone, and its attempt with it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        _say(
            event="failed", code="storage", message=f"The clip cannot be written: {error.strerror}."
        )
        return 1
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    return 0


def _render(request: Request, video_part: Path, thumbnail_part: Path) -> int:
    scene = Scene(
        request.prompt,
        seed=request.seed,
        width=request.width // _SCALE,
        height=request.height // _SCALE,
    )
    caption = _Caption(request)
    total = max(1, round(request.seconds * FRAME_RATE))
    keep = int(total * 0.4)
    said_at = 0.0
    with av.open(str(video_part), "w", format="mp4", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt = request.width, request.height, "yuv420p"
        stream.time_base = Fraction(1, FRAME_RATE)
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "veryfast", "crf": "24"}
        for number in range(total):
            image = _image(scene.frame(number / FRAME_RATE), request)
            caption.draw(image, done=(number + 1) / total)
            if number == keep:
                image.save(thumbnail_part, "WEBP", quality=80)
            for packet in stream.encode(
                av.VideoFrame.from_ndarray(np.asarray(image), format="rgb24")
            ):
                file.mux(packet)
            if time.monotonic() - said_at > _PROGRESS_EVERY or number + 1 == total:
                said_at = time.monotonic()
                _say(event="progress", percent=(number + 1) * 100 // total)
        for packet in stream.encode(None):
            file.mux(packet)
    return total


def _image(picture: Picture, request: Request) -> Image.Image:
    small = Image.fromarray((picture * 255).astype(np.uint8))
    return small.resize((request.width, request.height), Image.Resampling.BILINEAR)


class _Caption:
    """The strip at the bottom of every frame: what this is, for which prompt, and how far."""

    def __init__(self, request: Request) -> None:
        self._width, self._height = request.width, request.height
        side = max(10, min(request.width, request.height) // 32)
        font = ImageFont.load_default(size=side)
        self._strip = Image.new("RGBA", (request.width, side * 2), (8, 12, 16, 120))
        drawing = ImageDraw.Draw(self._strip)
        pad = side // 2
        drawing.text((pad, pad), _NOTE, font=font, fill=(255, 255, 255, 235))
        start = pad + drawing.textlength(_NOTE, font=font) + side
        words = "".join(mark for mark in request.prompt if mark.isprintable())
        room = request.width - start - pad
        while words and drawing.textlength(words, font=font) > room:
            words = words[: max(0, int(len(words) * 0.9) - 1)]
        drawing.text((start, pad), words, font=font, fill=(255, 255, 255, 150))

    def draw(self, image: Image.Image, *, done: float) -> None:
        """Put the strip and the progress line onto a frame."""
        image.paste(self._strip, (0, self._height - self._strip.height), self._strip)
        ImageDraw.Draw(image).rectangle(
            (0, self._height - 3, int(self._width * done), self._height), fill=(247, 178, 77)
        )


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


def _be_modest() -> None:
    """Take only time that nobody else wants."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
