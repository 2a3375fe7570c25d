"""Tries a pool's server: whether it is there and takes our key, our models, an order and a cancel."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jobs.models import Pool
from videogen.management.commands.add_pool import tell


class Command(BaseCommand):
    help = "Try a pool's server for real, and say in words what is wrong. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True)

    def handle(self, *_: Any, name: str, **__: Any) -> None:
        pool = Pool.objects.filter(name=name).first()
        if pool is None:
            known = ", ".join(Pool.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no pool {name!r}. There are: {known}.")
        if not tell(self, pool):
            sys.exit(1)
