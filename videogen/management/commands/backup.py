"""Writes a backup of the whole database, while everything runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from videogen import backups


class Command(BaseCommand):
    help = "Write a backup of the database into FILE (pg_dump's custom format); replaced if it is there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *_: Any, file: Path, **__: Any) -> None:
        try:
            size = backups.save(file)
        except backups.BackupFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{file}: {size:,} bytes. Sealed secrets in it open with SEALING_KEYS only."
        )
