"""Looks for what bandit, pip-audit and detect-secrets know: faults in code, known faults of packages, lost secrets.

`python -m proofs.audit code secrets` is the part of `bin/check`; the whole is `bin/proof audit`.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_BIN: Final = Path(sys.executable).parent
_SOURCES: Final = (
    "videogen",
    "videogen_cli",
    "scheduler",
    "jobs",
    "notifications",
    "proofs",
    "demos",
)
# What detect-secrets found and somebody looked at: vectors of standards, passwords of the tests' cast, words.
_BASELINE: Final = _ROOT / ".ci" / "reviewed-secrets.json"
_NOT_OURS: Final = (
    r"(^requirements.*\.txt|^static/vendor/.*|^tests/journeys/vendor/.*|.*\.svg|^docs/openapi.*"
    r"|^\.ci/reviewed-secrets\.json)$"
)

# Anything that is given to what is called a password: in tests, those of the cast.
_OF_THE_CAST: Final = "Secret Keyword"


def code_holds() -> bool:
    """Say whether bandit finds nothing of medium weight or more."""
    done = _run("bandit", "--quiet", "-ll", "-c", "pyproject.toml", "-r", *_SOURCES)
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


def secrets_hold() -> bool:
    """Say whether no file has what looks like a secret, beside those that were looked at.

    Compared by digest and not by line, so that editing a file costs nothing.
    """
    new = sorted(_secrets() - _reviewed())
    for path, kind, digest in new:
        print(f"{path}: {kind} (digest {digest}). Remove it, or add it to {_BASELINE.name}.")
    return not new


def packages_hold() -> bool:
    """Say whether no pinned package has a known fault; True, and told, if nobody can say."""
    done = _run(
        "pip-audit", "--requirement", "requirements.txt", "--disable-pip", "--require-hashes",
        "--progress-spinner", "off", "--format", "json",
    )  # fmt: skip
    try:
        told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"Nobody could be asked about faults of packages: {done.stderr.strip()[-300:]}")
        return True
    known = [one for one in told if "skip_reason" not in one]
    if not known:
        print(f"Nobody could be asked about faults of packages: all {len(told)} are unknown there.")
        return True
    faults = [
        f"{one['name']} {one['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'nothing yet'}"
        for one in known
        for fault in one["vulns"]
    ]
    print(f"{len(known)} of {len(told)} packages were asked about.")
    print("\n".join(faults), end="\n" if faults else "")
    return not faults


def review() -> bool:
    """Write the baseline anew from what is there: only after looking at each."""
    found = sorted(_secrets())
    _BASELINE.write_text(json.dumps([list(one) for one in found], indent=1) + "\n")
    print(f"{len(found)} in {_BASELINE.name}.")
    return True


def holds() -> bool:
    """Say whether all three find nothing."""
    return all([code_holds(), secrets_hold(), packages_hold()])


def _secrets() -> set[tuple[str, str, str]]:
    done = _run("detect-secrets", "scan", "--exclude-files", _NOT_OURS)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)["results"]
    return {
        (path, one["type"], one["hashed_secret"])
        for path, several in found.items()
        for one in several
        if not (path.startswith("tests/") and one["type"] == _OF_THE_CAST)
    }


def _reviewed() -> set[tuple[str, str, str]]:
    return {(path, kind, digest) for path, kind, digest in json.loads(_BASELINE.read_text())}


def _run(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [_BIN / program, *arguments], cwd=_ROOT, capture_output=True, text=True, check=False
    )


_PARTS: Final[dict[str, Callable[[], bool]]] = {
    "code": code_holds,
    "secrets": secrets_hold,
    "packages": packages_hold,
    "review": review,
}

if __name__ == "__main__":
    sys.exit(not all(_PARTS[name]() for name in sys.argv[1:]))
