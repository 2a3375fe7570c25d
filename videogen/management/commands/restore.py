"""Puts a backup back, and checks what must be true of it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from videogen import backups


class Command(BaseCommand):
    help = (
        "Put the backup FILE into the database in one transaction, then check its invariants."
        " Stop every process first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="lose what the database holds now")

    def handle(self, *_: Any, file: Path, yes: bool, **__: Any) -> None:
        try:
            tables = backups.restore(file, replace=yes)
        except backups.BackupFailed as error:
            raise CommandError(f"Nothing was restored. {error}") from error
        self.stdout.write(f"{tables} tables are back.")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("It is of an older release: run migrate, then check_invariants.")
        else:
            # What was under way when it was made is recovered once the processes run.
            call_command("check_invariants", "--at-rest", stdout=self.stdout)
        self.stdout.write(
            "A backup holds no rights: where processes have a role of their own, run database_roles before they start."
        )
