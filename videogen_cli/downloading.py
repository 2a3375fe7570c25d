"""Fetching a finished video into a file, whole or not at all."""

import os
from pathlib import Path
from typing import Any

from videogen_cli.client import Client, pieces
from videogen_cli.exits import Exit, Failure


def download(client: Client, job: dict[str, Any], *, to: str | None, force: bool) -> Path:
    """Write a job's video to a file and give its path; what is cut off leaves no file behind."""
    url = job.get("video_url") or (job.get("late_result") or {}).get("video_url")
    if not url:
        raise Failure(Exit.NO_VIDEO, f"There is no video: the job is {job['state']}.")
    place = Path(to) if to else Path(f"{job['id']}.mp4")
    if place.is_dir():
        place /= f"{job['id']}.mp4"
    if place.exists() and not force:
        raise Failure(Exit.LOCAL, f"{place} is there already. Add --force to write over it.")
    part = place.with_name(f".{place.name}.part{os.getpid()}")
    try:
        with client.open(str(url)) as answer, part.open("xb") as file:
            wanted, got = answer.headers.get("Content-Length"), 0
            for piece in pieces(answer):
                got += file.write(piece)
        if wanted is not None and got != int(wanted):
            raise Failure(Exit.UNAVAILABLE, "The download was cut off. Try again.")
        part.replace(place)
    except OSError as error:
        raise Failure(Exit.LOCAL, f"{place} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)
    return place
