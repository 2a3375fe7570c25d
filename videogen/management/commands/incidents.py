"""Says what was stuck and recovered lately: how many, where, since when, and what became of it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from scheduler import incidents


class Command(BaseCommand):
    help = (
        "Show stuck jobs that were recovered, grouped by cause and pool, with the node to look at."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float, default=60.0, help="how far to look back (60)")

    def handle(self, *_: Any, minutes: float, **__: Any) -> None:
        found = incidents.recent(window_seconds=60 * minutes)
        for incident in found:
            self.stdout.write(str(incident))
        if not found:
            self.stdout.write(f"Nothing was stuck in the last {minutes:g} minutes.")
