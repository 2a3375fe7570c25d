"""Lists events that a subscriber could not hear, and lets it try again."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from notifications import parking
from notifications.models import ParkedEvent


class Command(BaseCommand):
    help = "List parked events; with --retry, let their subscribers hear them again. Exit 1 while any is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--retry", action="store_true", help="try each of them again")

    def handle(self, *_: Any, retry: bool, **__: Any) -> None:
        for parked in ParkedEvent.objects.order_by("id"):
            word = parked.error
            if retry:
                try:
                    parking.retry(parked)
                    word = "heard"
                except Exception as error:  # noqa: BLE001 - a subscriber's bug is what parks events; it is shown
                    word = f"again: {type(error).__name__}: {error}"
            self.stdout.write(f"{parked}, parked {parked.parked_at:%Y-%m-%d %H:%M} UTC: {word}")
        if left := ParkedEvent.objects.count():
            self.stdout.write(f"{left} events are parked.")
            sys.exit(1)
        self.stdout.write("No event is parked.")
