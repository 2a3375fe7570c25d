"""Removes a pool, or drains it while jobs run there."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs import pools
from jobs.models import Pool


class Command(BaseCommand):
    help = (
        "Remove a pool. While jobs run there it drains: run the command again when they are done."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True)

    def handle(self, *_: Any, name: str, **__: Any) -> None:
        try:
            running = pools.remove(name, actor="remove_pool")
        except Pool.DoesNotExist as error:
            known = ", ".join(Pool.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no pool {name!r}. There are: {known}.") from error
        if running:
            self.stdout.write(f"{running} jobs run on {name}. It drains now; run this again later.")
        else:
            self.stdout.write(f"The pool {name} was removed.")
