"""The one small clip that every generation gives, made distinguishable by an unused box at its end."""

import struct
from functools import cache
from importlib.resources import files

from videogen.fake_gpu.http import Answer, Request


@cache
def _clip() -> bytes:
    return files("videogen.fake_gpu").joinpath("clip.mp4").read_bytes()


def of(subject: str) -> bytes:
    """Give a playable MP4 whose bytes differ for each subject.

    Players skip a `free` box (ISO/IEC 14496-12, section 8.1.2).
    """
    note = subject.encode()
    return _clip() + struct.pack(">I4s", 8 + len(note), b"free") + note


def answer(request: Request, subject: str) -> Answer:
    """Answer with the clip, or with the range of it that was asked for (RFC 9110, section 14)."""
    clip = of(subject)
    headers = {"Accept-Ranges": "bytes"}
    wanted = request.headers.get("range", "")
    if not wanted.startswith("bytes=") or "," in wanted:
        return Answer(body=clip, content_type="video/mp4", headers=headers, subject=subject)
    span = _span(wanted.removeprefix("bytes="), len(clip))
    if span is None:
        headers["Content-Range"] = f"bytes */{len(clip)}"
        return Answer(status=416, content_type="video/mp4", headers=headers, subject=subject)
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{len(clip)}"
    return Answer(
        status=206,
        body=clip[span.start : span.stop],
        content_type="video/mp4",
        headers=headers,
        subject=subject,
    )


def _span(text: str, size: int) -> range | None:
    first, _, last = text.partition("-")
    try:
        if not first:
            start, stop = max(0, size - int(last)), size
        else:
            start, stop = int(first), min(size, int(last) + 1) if last else size
    except ValueError:
        return None
    return range(start, stop) if start < stop else None
