"""Where the files of a finished video are: the client is sent there, and carries no key of ours along."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from jobs import content
from jobs.backends import local_files
from jobs.errors import ContentMissing
from jobs.states import TERMINAL, JobState


def address(request: HttpRequest, row: Mapping[str, Any], *, variant: str, now: datetime) -> str:
    """Give the address of one file. Raises ContentMissing."""
    _check(row, now=now)
    match variant:
        case "thumbnail":
            found = str(row["thumbnail_url"])
        case "spritesheet":
            found = local_files.sheet_url(row["video_url"])
        case _:
            return content.address(request, row["video_url"])
    if not found:
        raise ContentMissing(
            code="variant_not_available", message=f"This video has no {variant}. Ask for the video."
        )
    return found


def _check(row: Mapping[str, Any], *, now: datetime) -> None:
    state = JobState(row["state"])
    if state not in TERMINAL:
        raise ContentMissing(
            code="video_not_ready", message="The video is not finished. Ask for its status."
        )
    if state is not JobState.SUCCEEDED:
        raise ContentMissing(code="video_failed", message="This video was not made.")
    if row["video_expires_at"] and row["video_expires_at"] <= now:
        raise ContentMissing(
            code="video_expired", message="The server that made this video no longer has it."
        )
