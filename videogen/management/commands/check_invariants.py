"""Checks what must be true of the database: one line for each invariant that is not, exit 1 if any."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from scheduler import invariants


class Command(BaseCommand):
    help = "Check the invariants of jobs, money, slots and events. Reads only."

    def handle(self, *_: Any, **__: Any) -> None:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
                cursor.execute("set local statement_timeout = '10min'")
            found = invariants.violations()
        for violation in found:
            self.stdout.write(str(violation))
        if found:
            sys.exit(1)
        self.stdout.write(f"All {len(invariants.INVARIANTS)} invariants hold.")
