"""After every other journey: nothing that the invariants forbid has happened on the stack."""

import os
import subprocess

from tests.stack import ROOT, RunningStack


def test_the_stack_kept_every_invariant(running_stack: RunningStack) -> None:
    result = subprocess.run(
        [ROOT / "bin" / "manage", "check_invariants"],
        env={
            **{key: value for key, value in os.environ.items() if key != "DATABASE_URL"},
            "DATA_DIR": str(running_stack.data_dir),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "invariants hold" in result.stdout
