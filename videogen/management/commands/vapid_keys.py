"""Makes the key that web pushes are signed with."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from notifications import vapid


class Command(BaseCommand):
    help = "Print a new VAPID_PRIVATE_KEY. Nothing is changed: put it into the environment and keep it."

    def handle(self, *_: Any, **__: Any) -> None:
        if settings.VAPID_PRIVATE_KEY:
            self.stderr.write(
                "VAPID_PRIVATE_KEY is set. With another one, every browser has to turn push on again."
            )
        self.stdout.write(f"VAPID_PRIVATE_KEY={vapid.new_private_key()}")
