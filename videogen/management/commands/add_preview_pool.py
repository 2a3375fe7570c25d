"""Adds the built-in preview backend's pool, its lines and the tiers, where they are missing."""

from typing import Any

from django.core.management.base import BaseCommand

from jobs import seeds


class Command(BaseCommand):
    help = "Add the preview pool, so that an installation without GPUs can be tried."

    def handle(self, *_: Any, **__: Any) -> None:
        seeds.add_preview_pool()
        self.stdout.write("The preview pool is there.")
