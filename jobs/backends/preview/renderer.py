"""The renderer process: a JSON request on standard input, a clip, JSON lines on standard output.

It runs at the lowest priority on one thread, leaves no half file, and ends when its parent is gone.
It is not a model, and every frame says so.
"""

import os

# Read by numpy when it is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import base64
import contextlib
import json
import math
import select
import signal
import sys
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jobs.backends.clips import STILL_AT, ClipFiles, ClipWriter, Sheet
from jobs.backends.preview.scene import Scene, seed_of
from jobs.backends.preview.view import BadImage, View

FRAME_RATE: Final = 24
_SMALLEST, _LARGEST = 128, 1280
_SHORTEST_SECONDS, _LONGEST_SECONDS = 1, 20
# Scenes are soft: of a larger frame about so many points are drawn, and scaled up.
_DRAWN_POINTS: Final = 720 * 405
_PROGRESS_EVERY: Final = 0.1
_NOTE: Final = "Preview render, not AI"
# More of a prompt never fits beside the note.
_LONGEST_CAPTION: Final = 200


class RequestRefused(Exception):
    """A request that cannot be rendered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ParentGone(Exception):
    """Nobody waits for this clip any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to render, and where to."""

    prompt: str
    seed: int
    seconds: float
    width: int
    height: int
    output: Path
    thumbnail: Path
    # The words and the seed of the scene; another video's where that one is changed.
    scene: str
    scene_seed: int
    image: bytes

    @classmethod
    def read(cls, text: str) -> Self:
        """Read and check the JSON request. Raises RequestRefused."""
        try:
            data: dict[str, Any] = json.loads(text)
            prompt, seed = str(data["prompt"]), data.get("seed")
            scene = data.get("scene") or {"prompt": prompt, "seed": seed}
            found = cls(
                prompt=prompt,
                seed=_seed(prompt, seed),
                seconds=float(data["seconds"]),
                width=int(data["width"]),
                height=int(data["height"]),
                output=Path(data["output"]),
                thumbnail=Path(data["thumbnail"]),
                scene=str(scene["prompt"]),
                scene_seed=_seed(str(scene["prompt"]), scene["seed"]),
                image=base64.b64decode(data.get("image", "")),
            )
        except KeyError as error:
            raise RequestRefused("invalid_request", f"The request lacks {error}.") from None
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            raise RequestRefused("invalid_request", "The request cannot be read.") from None
        found._check()
        return found

    def _check(self) -> None:
        for side in (self.width, self.height):
            if not _SMALLEST <= side <= _LARGEST or side % 2:
                raise RequestRefused(
                    "invalid_size", f"Sides must be even, from {_SMALLEST} to {_LARGEST} pixels."
                )
        if not _SHORTEST_SECONDS <= self.seconds <= _LONGEST_SECONDS:
            raise RequestRefused(
                "invalid_seconds",
                f"A clip has from {_SHORTEST_SECONDS} to {_LONGEST_SECONDS} seconds.",
            )
        if self.thumbnail.suffix.lower() not in {".webp", ".jpg", ".jpeg"}:
            raise RequestRefused("invalid_request", "A thumbnail is a .webp or a .jpg file.")


def _seed(prompt: str, seed: Any) -> int:
    return seed_of(prompt, None if seed is None else int(seed))


class _Parent:
    """Whoever reads our lines. It may die without a word."""

    def __init__(self) -> None:
        self._pid = os.getppid()
        self._poll = select.poll()
        # No events asked for: poll reports on its own that the reader closed its end.
        self._poll.register(sys.stdout.fileno(), 0)

    def tell(self, **message: Any) -> None:
        """Write one line. Raises ParentGone."""
        try:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()
        except OSError:
            raise ParentGone from None

    def check(self) -> None:
        """Notice a parent that ended. Raises ParentGone."""
        if os.getppid() != self._pid or self._poll.poll(0):
            raise ParentGone


def main() -> int:
    """Render one request; give the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    _be_modest()
    parent = _Parent()
    try:
        try:
            _serve(Request.read(sys.stdin.readline()), parent)
        except BadImage as error:
            parent.tell(event="failed", code="invalid_request", message=str(error))
            return 1
        except RequestRefused as refusal:
            parent.tell(event="failed", code=refusal.code, message=refusal.message)
            return 1
        except (OSError, av.FFmpegError) as error:
            reason = error.strerror or "the disk refused it"
            message = f"The clip cannot be written: {reason}."
            parent.tell(event="failed", code="storage", message=message)
            return 1
    except ParentGone:
        # Python would flush once more at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _serve(request: Request, parent: _Parent) -> None:
    with ClipFiles(request.output, request.thumbnail) as files:
        files.touch()
        parent.tell(event="started")
        frames = _render(request, files, parent)
        # The clip is whole: a parent that has heard "done" may stop us before we end.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        size = files.publish()
        parent.tell(event="done", frames=frames, bytes=size, seed=request.seed)
        files.keep()


def _render(request: Request, files: ClipFiles, parent: _Parent) -> int:
    scale = min(1.0, math.sqrt(_DRAWN_POINTS / (request.width * request.height)))
    drawn = (round(request.width * scale), round(request.height * scale))
    scene = Scene(request.scene, seed=request.scene_seed, size=drawn, seconds=request.seconds)
    view = View(size=drawn, seconds=request.seconds, image=request.image)
    if request.scene != request.prompt:
        view.tint(request.seed)
    finish = _Finish(request)
    total = round(request.seconds * FRAME_RATE)
    sheet = Sheet(total)
    said_at, said = 0.0, -1
    with ClipWriter(
        files.clip,
        width=request.width,
        height=request.height,
        frame_rate=FRAME_RATE,
        threads=1,
    ) as clip:
        for number in range(total):
            parent.check()
            picture = view.apply(scene.frame(number / FRAME_RATE), number / FRAME_RATE)
            image = finish.apply(picture, number, total)
            sheet.add(number, image)
            if number == int(total * STILL_AT):
                files.save_still(image)
            clip.add(np.asarray(image))
            percent = (number + 1) * 100 // total
            if percent > said and (
                time.monotonic() - said_at >= _PROGRESS_EVERY or number + 1 == total
            ):
                said_at, said = time.monotonic(), percent
                parent.tell(event="progress", percent=percent)
    files.save_sheet(sheet)
    return total


class _Finish:
    """What every frame gets: its size, fine grain against banding, the note and the time line."""

    def __init__(self, request: Request) -> None:
        self._size = (request.width, request.height)
        dice = np.random.default_rng(request.seed % 2**32)
        shape = (request.height + 16, request.width + 16, 1)
        # Unsigned bytes wrap, so 255 takes one away.
        grain = dice.integers(-2, 3, shape, dtype=np.int8).view(np.uint8)
        self._grain = np.repeat(grain, 3, axis=2)
        self._moves = dice.integers(0, 16, (8, 2))
        self._strip = _strip(request)

    def apply(
        self, drawn: np.ndarray[Any, np.dtype[np.uint8]], number: int, total: int
    ) -> Image.Image:
        """Finish frame `number` of `total`."""
        width, height = self._size
        image = Image.fromarray(drawn)
        if image.size != self._size:
            image = image.resize(self._size, Image.Resampling.BILINEAR)
        down, across = self._moves[number // 2 % len(self._moves)]
        image = Image.fromarray(
            np.asarray(image) + self._grain[down : down + height, across : across + width]
        )
        image.paste(self._strip, (0, height - self._strip.height), self._strip)
        line = max(2, height // 240)
        ImageDraw.Draw(image).rectangle(
            (0, height - line, width * (number + 1) // total - 1, height), fill=(247, 178, 77)
        )
        return image


def _strip(request: Request) -> Image.Image:
    """Draw the note and the first words of the prompt over a shade that fades upwards."""
    side = max(10, min(request.width, request.height) // 34)
    font = ImageFont.load_default(size=side)
    high = side * 3
    strip = Image.new("RGBA", (request.width, high))
    shade = Image.linear_gradient("L").resize((request.width, high)).point(lambda at: at * 0.62)
    strip.putalpha(shade)
    drawing = ImageDraw.Draw(strip)
    pad = side * 3 // 4
    baseline = high - side // 2 - 2
    start = pad + drawing.textlength(_NOTE, font=font) + side
    # The font knows few marks: accents are taken off, and what it lacks is left out.
    words = unicodedata.normalize("NFKD", request.prompt[:_LONGEST_CAPTION])
    words = "".join(mark if mark.isprintable() else " " for mark in words)
    missing = bytes(font.getmask("\U0010ffff"))
    words = " ".join(
        "".join(mark for mark in words if bytes(font.getmask(mark)) != missing).split()
    )
    shown, room = words, request.width - start - pad
    while words and drawing.textlength(shown, font=font) > room:
        words = words[:-1]
        shown = f"{words.rstrip()}..."
    drawing.text((pad, baseline), _NOTE, font=font, fill=(255, 255, 255, 240), anchor="ls")
    drawing.text((start, baseline), shown, font=font, fill=(255, 255, 255, 165), anchor="ls")
    return strip


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Once is enough: a second signal must not interrupt the tidying.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + signal.SIGTERM)


def _be_modest() -> None:
    """Take only time that nobody else wants."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    sys.exit(main())
