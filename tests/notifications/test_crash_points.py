"""A few rounds of `bin/proof crash-points`: kill -9 in the relay and in the courier, told once all the same."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long
_SERVERS = {"DATABASE_URL", "REDIS_URL", "DATA_DIR", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"}
_ANSWERED = ("web_push.answered", "mobile_push.answered")


def test_what_a_crash_interrupts_is_told_once() -> None:
    proof = subprocess.run(
        [sys.executable, "-m", "proofs.crash_points", "relay.committed", *_ANSWERED],
        cwd=Path(__file__).resolve().parent.parent.parent,
        env={key: value for key, value in os.environ.items() if key not in _SERVERS},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )

    assert proof.returncode == 0, proof.stdout + proof.stderr
    # The crash after the answer was really reached: the receivers got the same message twice.
    for place in _ANSWERED:
        assert re.search(rf"{place} +holds, [1-9]\d* repeats suppressed", proof.stdout), place
