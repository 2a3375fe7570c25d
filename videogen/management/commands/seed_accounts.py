"""Makes accounts for load tests and writes their API keys to a file, one a line."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from videogen.accounts import load

_MOST = 1_000_000


class Command(BaseCommand):
    help = "Make accounts for load tests; their API keys go to a file, one a line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--count", type=int, required=True)
        parser.add_argument("--tier", required=True, help="free, pro, enterprise, internal, ...")
        parser.add_argument("--keys-file", type=Path, required=True, help="replaced if it is there")

    def handle(self, *_: Any, count: int, tier: str, keys_file: Path, **__: Any) -> None:
        if not 1 <= count <= _MOST:
            raise CommandError(f"--count must be from 1 to {_MOST:,}.")
        # Keys are secrets: only their owner reads the file, from its first byte.
        if keys_file.exists() and not keys_file.is_file():
            raise CommandError(f"{keys_file} is no file. Name one to be written, or replaced.")
        try:
            handle = os.open(keys_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as error:
            raise CommandError(f"{keys_file} cannot be written: {error.strerror}.") from error
        written = 0
        with os.fdopen(handle, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            try:
                for made in load.seed(count, tier=tier):
                    file.writelines(f"{key}\n" for key in made)
                    file.flush()
                    written += len(made)
                    self.stdout.write(f"{written:,} of {count:,} accounts")
            except ValueError as error:
                raise CommandError(str(error)) from error
        self.stdout.write(f"The keys are in {keys_file}.")
