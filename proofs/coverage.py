"""Every line and branch of the modules that decide ends and money is run by the tests."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).resolve().parent.parent
_MODULES: Final = (
    "jobs/states.py",
    "jobs/transitions.py",
    "jobs/ledger.py",
    "jobs/idempotency.py",
    "jobs/retry_policy.py",
    "jobs/credit_policy.py",
)
_TESTS: Final = ("tests/jobs", "tests/races", "tests/scheduler")


def holds() -> bool:
    """Run the tests under branch coverage and print the report; false below 100 %."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "COVERAGE_FILE": f"{folder}/coverage"}

        def run(*arguments: str) -> bool:
            command = [sys.executable, "-m", "coverage", *arguments]
            return subprocess.run(command, cwd=_ROOT, env=environment, check=False).returncode == 0

        passed = run("run", "-m", "pytest", "-q", *_TESTS)
        return passed and run("report", "-m", "--fail-under=100", f"--include={','.join(_MODULES)}")
