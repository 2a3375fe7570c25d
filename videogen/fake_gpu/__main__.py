"""Starts one reference GPU server: `python -m videogen.fake_gpu --dialect vllm_omni`."""

import argparse
import sys

import uvloop

from videogen.fake_gpu import app, options
from videogen.fake_gpu.dialects import registry


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(
        prog="fake_gpu_server",
        description="Run a reference GPU server that speaks the dialect of a real one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_arguments(parser, dialects=registry.SUMMARIES)
    try:
        uvloop.run(app.run(options.Options.of(vars(parser.parse_args())), say=_say))
    except app.CannotStart as reason:
        parser.exit(1, f"{parser.prog}: {reason}\n")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
