"""A clip and its still as files: encoded frame by frame, shown to others when both are whole."""

import contextlib
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, Self

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from jobs.backends.sheets import sheet_of

# Where in a clip its still is taken.
STILL_AT: Final = 0.4

Picture = np.ndarray[Any, np.dtype[np.uint8]]
# The longer side of a still, pixels: a page may show dozens of them.
_STILL_SIDE: Final = 480


class Sheet:
    """Pictures from the whole length of a clip, side by side in one."""

    columns, rows, width = 4, 3, 240

    def __init__(self, total: int) -> None:
        """Expect `total` pictures."""
        count = self.columns * self.rows
        self._wanted = {at * total // count: at for at in range(count)}
        self._image: Image.Image | None = None

    def add(self, number: int, image: Image.Image) -> None:
        """Take picture `number` in, if it is one of those that are shown."""
        if (at := self._wanted.get(number)) is None:
            return
        height = max(1, round(self.width * image.height / image.width))
        if self._image is None:
            self._image = Image.new("RGB", (self.columns * self.width, self.rows * height))
        small = image.convert("RGB").resize((self.width, height), Image.Resampling.BILINEAR)
        place = (at % self.columns * self.width, at // self.columns * height)
        self._image.paste(small, place)

    def save(self, path: Path) -> None:
        """Write the sheet as WebP."""
        if self._image is not None:
            self._image.save(path, "WEBP", quality=80)


class ClipFiles:
    """The clip, its still and its sheet: all appear when all are whole, or nothing stays behind."""

    def __init__(self, clip: Path, still: Path) -> None:
        self._ends = (clip, still, sheet_of(still))
        self.clip, self.still, self.sheet = self._parts = tuple(
            path.with_name(f"{path.name}.part") for path in self._ends
        )
        self._leftovers: tuple[Path, ...] = self._parts

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for path in self._leftovers:
            with contextlib.suppress(OSError):
                path.unlink()

    def touch(self) -> None:
        """Refuse a folder that cannot be written before the work, not after it. Raises OSError."""
        self.clip.touch()
        self.still.touch()
        self.sheet.touch()

    def publish(self) -> int:
        """Give all files their names, and say how many bytes the clip has."""
        self._leftovers = self._parts + self._ends
        for part, end in reversed(list(zip(self._parts, self._ends, strict=True))):
            part.replace(end)
        return self._ends[0].stat().st_size

    def keep(self) -> None:
        """Leave the files where they are: somebody knows of them."""
        self._leftovers = self._parts

    def save_sheet(self, sheet: Sheet) -> None:
        """Write the sheet."""
        sheet.save(self.sheet)

    def save_still(self, image: Image.Image) -> None:
        """Write the still, as large as pages draw it, in the format that its name tells."""
        kind = "WEBP" if self._ends[1].suffix.lower() == ".webp" else "JPEG"
        small = image.copy()
        small.thumbnail((_STILL_SIDE, _STILL_SIDE))
        small.save(self.still, kind, quality=70)


class ClipWriter:
    """Encodes pictures of one size as an MP4 that plays while it loads. Raises OSError."""

    def __init__(
        self, path: Path, *, width: int, height: int, frame_rate: int, threads: int
    ) -> None:
        self._tick = Fraction(1, frame_rate)
        self._count = 0
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})
        self._stream = stream = self._container.add_stream("libx264", rate=frame_rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = self._tick
        stream.options = {"preset": "veryfast", "crf": "19", "threads": str(threads)}
        stream.codec_context.thread_count = threads
        stream.codec_context.color_range = ColorRange.MPEG
        stream.codec_context.colorspace = Colorspace.ITU709

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: object, *exc: object) -> None:
        if failure is None:
            self._container.mux(self._stream.encode(None))
        self._container.close()

    def add(self, picture: Picture) -> None:
        """Append one picture: rows, columns, red green blue."""
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709
        )
        frame.pts, frame.time_base = self._count, self._tick
        self._count += 1
        self._container.mux(self._stream.encode(frame))
