"""Checks what must be true of the database: one line for each invariant that is not, exit 1 if any."""

import sys
from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from scheduler import invariants

AT_REST: Final = frozenset(name for name, _, _ in invariants.AT_ANY_MOMENT)


class Command(BaseCommand):
    help = "Check the invariants of jobs, money, slots and events. Reads only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--at-rest",
            action="store_true",
            help="leave out what happens by itself within a minute: no process runs",
        )

    def handle(self, *_: Any, at_rest: bool, **__: Any) -> None:
        names = AT_REST if at_rest else {name for name, _, _ in invariants.INVARIANTS}
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
                cursor.execute("set local statement_timeout = '10min'")
            found = invariants.violations(only=names)
        for violation in found:
            self.stdout.write(str(violation))
        if found:
            sys.exit(1)
        self.stdout.write(f"All {len(names)} invariants hold.")
