"""Following the log files of all processes, each line with the name of its process."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# Between two looks, and a while, seconds.
_EVERY: Final = 0.4
_WHILE: Final = 2.0


@dataclass(slots=True)
class Follower:
    """Prints what was added to any log file since the last look."""

    folder: Path
    _read: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.folder.glob("*.log"):
            self._read[path] = path.stat().st_size

    def follow_a_while(self, *, is_over: Callable[[], bool]) -> None:
        """Print what is added for a while, or until it is over."""
        ends_at = time.monotonic() + _WHILE
        while time.monotonic() < ends_at and not is_over():
            self.print_new()
            time.sleep(_EVERY)

    def print_new(self) -> None:
        """Print the new whole lines; a file that was rotated is read from its beginning."""
        for path in sorted(self.folder.glob("*.log")):
            size, known = path.stat().st_size, self._read.get(path, 0)
            if size < known:
                known = 0
            if size == known:
                continue
            with path.open("rb") as file:
                file.seek(known)
                text = file.read(size - known)
            whole = text[: text.rfind(b"\n") + 1]
            self._read[path] = known + len(whole)
            for line in whole.decode("utf-8", errors="replace").splitlines():
                print(f"{path.stem:<10} | {line}", flush=True)
