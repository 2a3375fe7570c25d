"""Each payload in each column and form that takes a text of a stranger: the tests of it, at full length."""

import os
import subprocess
import sys
from typing import Final

from tests.stack import ROOT

_TESTS: Final = ("tests/videogen/test_every_text.py", "tests/notifications/test_injection.py")


def holds() -> bool:
    """Run them; pytest says what it finds as it goes."""
    options = ("-vv", "-n0", "--timeout=0", "--no-header", "--show-capture=no", "--tb=short")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *_TESTS],
        cwd=ROOT,
        env={**os.environ, "INJECTION_ROUNDS": "all"},
        check=False,
    )
    return done.returncode == 0
