"""Seals every stored secret with the newest of SEALING_KEYS."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from videogen import resealing

_MOST = 10_000


class Command(BaseCommand):
    help = (
        "Seal every stored secret with the newest of SEALING_KEYS, while everything runs. Stopped, it goes on when run"
        " again. Exit 1 when a secret opens with none of the keys."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--batch", type=int, default=resealing.BATCH, help="rows locked at once"
        )
        parser.add_argument("--trial", action="store_true", help="only count")

    def handle(self, *_: Any, batch: int, trial: bool, **__: Any) -> None:
        if not 1 <= batch <= _MOST:
            raise CommandError(f"--batch must be from 1 to {_MOST:,}.")
        is_whole = True
        for outcome in resealing.reseal(batch=batch, is_trial=trial):
            self.stdout.write(f"{outcome.table}: {outcome.renewed} of {outcome.seen} rows renewed")
            for row in outcome.closed:
                is_whole = False
                self.stdout.write(f"{outcome.table} {row}: none of SEALING_KEYS opens it")
        if not is_whole:
            sys.exit(1)
        if len(settings.SEALING_KEYS) == 1:
            self.stdout.write("There is one key, and it seals everything.")
        elif not trial:
            self.stdout.write("Older keys may be taken out of SEALING_KEYS.")
