"""`bin/proof [NAME ...]`: runs long proofs by name, or all of them; exit status 1 when one fails."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from proofs import api_fuzz, coverage, crash_points

_PROOFS: Final[dict[str, tuple[str, Callable[[], bool]]]] = {
    "api-fuzz": (
        "20,000 cases as two users: no fault, no answer beside the contract, nothing of the other's",
        api_fuzz.holds,
    ),
    "coverage": (
        "every branch of the modules that end jobs and move money is tested",
        coverage.holds,
    ),
    "crash-points": (
        "kill -9 at every step of relay and courier, Redis lost: nothing missing, nothing double",
        crash_points.holds,
    ),
}


def main() -> int:
    """Run what was named and say for each whether it holds."""
    listed = "\n".join(f"  {name:<14} {about}" for name, (about, _) in _PROOFS.items())
    parser = argparse.ArgumentParser(
        prog="bin/proof",
        description=f"Long proofs:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names or list(_PROOFS)
    unknown = sorted(set(names) - set(_PROOFS))
    if unknown:
        parser.error(f"there is no proof {unknown[0]!r}; there are: {', '.join(_PROOFS)}")
    failed = []
    for name in names:
        about, holds = _PROOFS[name]
        print(f"{name}: {about} ...", flush=True)
        if not holds():
            failed.append(name)
    print(f"FAILED: {', '.join(failed)}" if failed else f"All hold: {', '.join(names)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
