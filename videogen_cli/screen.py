"""What the person at the terminal sees: a bar on stderr, words of the product, results on stdout."""

import json
import shutil
import sys
import time
from typing import Any, Final, TextIO

Job = dict[str, Any]

_WIDTH: Final = 24
_WORDS: Final = {
    "queued": "Waiting",
    "dispatched": "Starting",
    "running": "Running",
    "succeeded": "Ready",
    "failed": "Failed",
    "canceled": "Cancelled",
    "expired": "Expired",
}


class Screen:
    """Shows one job as it changes: a bar that stays in its line, or a line a change without a terminal."""

    def __init__(self, *, is_quiet: bool, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_quiet = is_quiet
        self._is_live = self._stream.isatty()
        self._said = ""
        self._began = time.monotonic()

    def show(self, job: Job) -> None:
        """Draw the job as it is now."""
        if self._is_quiet:
            return
        line = self._line(job)
        if line == self._said:
            return
        if self._is_live:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[K{line[:width]}")
            if job["finished_at"]:
                self._stream.write("\n")
        else:
            self._stream.write(f"{line}\n")
        self._said = line
        self._stream.flush()

    def _line(self, job: Job) -> str:
        word = word_of(job)
        if job["state"] == "running":
            done = round(_WIDTH * job["progress"] / 100)
            bar = "█" * done + "░" * (_WIDTH - done)
            if not self._is_live:
                return f"{word} {job['progress'] // 25 * 25} %"
            spent = int(time.monotonic() - self._began)
            return f"{word} {bar} {job['progress']:3d} %  {spent // 60}:{spent % 60:02d}"
        if waiting := job.get("waiting"):
            return f"{word}. {waiting['sentence']}"
        return word


def word_of(job: Job) -> str:
    """Give a job's state in the product's words."""
    if job["state"] not in {"succeeded", "failed", "canceled", "expired"} and job.get(
        "cancel_requested_at"
    ):
        return "Cancelling"
    return _WORDS.get(str(job["state"]), str(job["state"]))


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{text}\n")


def say_json(value: object) -> None:
    """Print one JSON document on a line of its own."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def told(job: Job) -> str:
    """Sum up how a job ended."""
    if job["state"] == "succeeded":
        return f"Ready, {job['credits']['charged']} credits: {job['video_url']}"
    why = f": {job['error']['message']}" if job.get("error") else "."
    charged = job["credits"]["charged"]
    return f"{word_of(job)}{why} {f'{charged} credits charged.' if charged else 'Not charged.'}"


def row_of(job: Job) -> str:
    """Give a job as a line of a list."""
    when = str(job["created_at"])[11:16]
    shown = " ".join(str(job["prompt"]).split())
    percent = f" {job['progress']} %" if job["state"] == "running" else ""
    return f"{job['id']}  {when}  {word_of(job) + percent:<12}  {shown[:60]}"
