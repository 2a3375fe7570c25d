"""Starts one reference GPU server: `python -m videogen.fake_gpu --dialect vllm_omni`."""

import argparse

import uvloop

from videogen.fake_gpu import app, options
from videogen.fake_gpu.dialects import registry


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="fake_gpu", description=options.__doc__)
    options.add_arguments(parser, dialects=registry.DIALECTS)
    uvloop.run(app.run(options.Options.of(vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
