"""`python -m videogen.embedded.maintenance COMMAND ...`: a management command while bin/dev does not run.

The databases of the data folder run for it, and nothing else: what a restore needs.
"""

import os
import sys

from videogen.embedded import stack
from videogen.embedded.faults import StartFailed


def main() -> int:
    """Run it; give its exit status."""
    os.chdir(stack.ROOT)
    try:
        return stack.of_environment().manage(sys.argv[1:])
    except StartFailed as failure:
        print(f"bin/manage: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
