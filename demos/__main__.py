"""`bin/demo NAME`: runs one demonstration."""

import argparse
import os
import sys
from importlib import import_module

import django

_DEMOS = {
    "lost-webhooks": "webhooks of a backend that are lost, repeated, late, early and forged",
    "halved": "half of the GPUs go away under load: paid users served, queue bounded, free shed first",
    "fair": "a flood after little use, tiers by weight, a whale beside small users",
    "triple": "the same prompt three times within a second",
    "stuck": "many jobs stuck in running: detected, attributed, recovered",
}


def main() -> int:
    """Run what was named; exit 1 when the system did not do what it promises."""
    listed = "\n".join(f"  {name:<16} {about}" for name, about in _DEMOS.items())
    parser = argparse.ArgumentParser(
        prog="bin/demo",
        description=f"Demonstrations on the running stack:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", choices=_DEMOS, metavar="NAME", nargs="?", help="none: lists them")
    name = parser.parse_args().name
    if name is None:
        print(listed)
        return 0
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")
    # A line for each move would hide what is shown.
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    django.setup()
    return int(import_module(f"demos.{name.replace('-', '_')}").show())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
