"""Starting a sink and reading what arrived."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Sink:
    """A process that takes what we send, and its journal."""

    port: int
    journal: Path

    def arrived(self) -> list[dict[str, Any]]:
        """Give every line of the journal."""
        if not self.journal.exists():
            return []
        # The last line may be on its way.
        whole, _, _ = self.journal.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def sink(kind: str, folder: Path) -> Iterator[Sink]:
    """Run a sink, `http`, `smtp` or `push`, with its journal in a folder."""
    journal = folder / f"{kind}.journal"
    process = subprocess.Popen(
        [sys.executable, "-m", f"proofs.sinks.{kind}", str(journal)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("The sink has no output.")
        yield Sink(port=int(process.stdout.readline()), journal=journal)
    finally:
        process.kill()
        process.wait()
