"""The append-only record of what this server ran and billed: JSON lines outside every database.

Each line goes to the operating system at once, so it survives a killed process. `n` grows by one
for each line of a file, also over restarts.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any, Final

# Enough for the last line of a journal, bytes.
_TAIL: Final = 64 * 1024


class Journal:
    """Writes one file; without a path it only counts.

    Raises BlockingIOError while another server writes it.
    """

    def __init__(self, path: Path | None, *, node: str) -> None:
        self._node = node
        self._n = 0
        self._file: int | None = None
        if path is not None:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            # Given up by the kernel when the process dies, however it dies.
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._continue()

    def write(self, fact: str, subject: str = "", **details: Any) -> None:
        """Append one fact about a generation, or about the server when there is no subject."""
        self._n += 1
        line: dict[str, Any] = {"n": self._n, "at": time.time(), "node": self._node, "fact": fact}
        if subject:
            line["id"] = subject
        line.update(details)
        if self._file is not None:
            os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _continue(self) -> None:
        assert self._file is not None  # noqa: S101 - opened just before
        size = os.fstat(self._file).st_size
        tail = os.pread(self._file, _TAIL, max(0, size - _TAIL))
        if tail and not tail.endswith(b"\n"):
            # A full disk may leave half a line; the next one must not join it.
            os.write(self._file, b"\n")
        for line in reversed(tail.splitlines()):
            found = _parse(line)
            if found is not None:
                self._n = int(found["n"])
                return


def read(path: Path) -> list[dict[str, Any]]:
    """Give the facts of a journal in order; a line that was cut off is left out."""
    if not path.exists():
        return []
    return [fact for line in path.read_bytes().splitlines() if (fact := _parse(line)) is not None]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "n" in found else None
