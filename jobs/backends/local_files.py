"""Where drivers that generate within our own workers put their clips, and how browsers address them."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from jobs.backends.backend import Finished, Gone, Order, Sighting, Video
from jobs.backends.sheets import sheet_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The two files of one attempt."""

    clip: Path
    still: Path


def place(order: Order) -> Place:
    """Say where an attempt's clip and still go."""
    name = _name(order)
    root: Path = settings.PREVIEW_ROOT
    return Place(clip=root / f"{name}.mp4", still=root / f"{name}.webp")


def make_room() -> None:
    """Create the folder, where missing."""
    settings.PREVIEW_ROOT.mkdir(parents=True, exist_ok=True)


def video(order: Order) -> Video:
    """Address an attempt's clip and still."""
    name = _name(order)
    return Video(
        url=f"{settings.PREVIEW_URL}/{name}.mp4",
        thumbnail_url=f"{settings.PREVIEW_URL}/{name}.webp",
    )


def sheet_url(video_url: str) -> str:
    """Address the sheet of a clip that lies here; empty for any other video."""
    name = video_url.removeprefix(f"{settings.PREVIEW_URL}/")
    if name == video_url or "/" in name:
        return ""
    sheet = sheet_of(settings.PREVIEW_ROOT / name)
    return f"{settings.PREVIEW_URL}/{sheet.name}" if sheet.is_file() else ""


def look(order: Order) -> Sighting:
    """Find the finished clip: such a generation never outlives its worker and leaves no other trace."""
    return Finished(video=video(order)) if place(order).clip.is_file() else Gone()


def _name(order: Order) -> str:
    # 128 bits that only this installation can compute: a result opens without a header, so its name must
    # not be guessed; and whoever asks after the worker died finds it again.
    digest = hmac.digest(
        settings.SECRET_KEY.encode(),
        f"preview {order.job_id} {order.attempt}".encode(),
        hashlib.sha256,
    )
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
