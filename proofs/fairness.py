"""What fair sharing promises: simulated with three seeds, and shown on the running stack."""

import subprocess
from pathlib import Path
from typing import Final

from scheduler.simulation import verify

_ROOT: Final = Path(__file__).resolve().parent.parent
_DEMOS: Final = ("fair", "halved")


def holds() -> bool:
    """Play every scenario with three seeds; print each promise with its bound and what was found."""
    return verify.verify(verify.SEEDS, say=lambda line: print(f"  {line}", flush=True))


def holds_on_the_stack() -> bool:
    """Run the demonstrations of fair sharing on the running stack; false when one is not as promised."""
    done = [
        subprocess.run([_ROOT / "bin" / "demo", name], cwd=_ROOT, check=False) for name in _DEMOS
    ]
    return all(each.returncode == 0 for each in done)
