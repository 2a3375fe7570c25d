"""Makes the roles that processes and people connect as, or says what the role in use may do too much."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError

from videogen import database_roles, env
from videogen.database_roles import Role


class Command(BaseCommand):
    help = (
        "Make the app's and the reader's role and give each its rights; run it as the owner after migrate. New roles"
        " need APP_DATABASE_PASSWORD and READER_DATABASE_PASSWORD (or ..._FILE)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--app", default="videogen_app", metavar="NAME")
        parser.add_argument("--reader", default="videogen_reader", metavar="NAME")
        parser.add_argument(
            "--check",
            action="store_true",
            help="only say what the role of DATABASE_URL may too much",
        )

    def handle(self, *_: Any, app: str, reader: str, check: bool, **__: Any) -> None:
        if check:
            self._check()
            return
        try:
            works = Role(name=app, password=_password("APP_DATABASE_PASSWORD"))
            reads = Role(name=reader, password=_password("READER_DATABASE_PASSWORD"))
            database_roles.grant(app=works, reader=reads)
        except (ValueError, ProgrammingError) as error:
            raise CommandError(str(error).strip()) from error
        self.stdout.write(f"{app} works, {reader} reads. Give processes a DATABASE_URL of {app}.")
        if not database_roles.show_sessions(works, reads):
            self.stdout.write(
                "Neither sees who holds a lock. Let an administrator of the server run:"
                f" grant pg_read_all_stats to {app}, {reader}"
            )

    def _check(self) -> None:
        found = database_roles.too_much()
        for one in found:
            self.stdout.write(f"The role of DATABASE_URL {one}.")
        if found:
            sys.exit(1)
        self.stdout.write("The role of DATABASE_URL may do no more than its work.")


def _password(name: str) -> str | None:
    return env.text(name, "") or None
