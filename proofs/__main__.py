"""`bin/proof [NAME ...]`: runs long proofs by name, or all of them; exit status 1 when one fails."""

import argparse
import signal
import sys
from collections.abc import Callable
from typing import Final

from proofs import (
    api_fuzz,
    audit,
    coverage,
    crash_points,
    drain,
    fairness,
    injection,
    paused,
    sockets,
)
from proofs.alerts import proof as alerts
from proofs.leaks import proof as leaks

_PROOFS: Final[dict[str, tuple[str, Callable[[], bool]]]] = {
    "alerts": (
        "each alert fires on the running stack when its fault is caused, and clears after",
        alerts.holds,
    ),
    "api-fuzz": (
        "20,000 cases as two users: no fault, no answer beside the contract, nothing of the other's",
        api_fuzz.holds,
    ),
    "audit": (
        "bandit, detect-secrets and, where its index can be asked, pip-audit find nothing",
        audit.holds,
    ),
    "coverage": (
        "every branch of the modules that end jobs and move money is tested",
        coverage.holds,
    ),
    "crash-points": (
        "kill -9 at every step of relay and courier, Redis lost: nothing missing, nothing double",
        crash_points.holds,
    ),
    "drain": (
        "SIGTERM to every process under load: no answer lost, no request failed, no job and no try lost",
        drain.holds,
    ),
    "injection": (
        "334 payloads in every column and form that takes a text: no new element, header or formula",
        injection.holds,
    ),
    "leaks": (
        "words and secrets put into everything: none in logs, error reports, traces, metrics, Redis, error pages",
        leaks.holds,
    ),
    "paused": (
        "Redis and PostgreSQL stopped: nothing above 2 s and 3 s, no fault, 503 with Retry-After",
        paused.holds,
    ),
    "sockets": (
        "500 sockets, 5,000 completions, dropped, idle, not reading, Redis lost: every page is the database",
        sockets.holds,
    ),
    "fairness": (
        "what fair sharing promises, on simulated days with three seeds",
        fairness.holds,
    ),
    "fairness-stack": (
        "the same on the running stack with the reference GPU server; needs bin/dev",
        fairness.holds_on_the_stack,
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
    # What a proof started is ended with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
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
