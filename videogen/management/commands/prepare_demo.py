"""Brings a developer's database up to date: migrations, tiers, the preview pool, demo accounts."""

import json
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from jobs import seeds
from videogen.accounts import demo


class Command(BaseCommand):
    help = "Migrate, then seed the demo accounts and the preview pool; prints the logins as JSON."

    def handle(self, *_: Any, **__: Any) -> None:
        if not settings.DEVELOPMENT:
            raise CommandError(
                "Demo accounts are for a developer's machine. Set DEVELOPMENT=1 there."
            )
        call_command("migrate", interactive=False, verbosity=0)
        seeds.add_preview_pool()
        self.stdout.write(json.dumps(demo.seed()))
