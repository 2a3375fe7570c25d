"""`dbshell`: psql, also where only the package of `bin/dev` has it."""

from collections.abc import Iterable
from typing import Any

from django.db.backends.postgresql.client import DatabaseClient

from videogen.postgresql import programs


class Client(DatabaseClient):
    """Django's, with the whole path of the program."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        """Give the command and its environment."""
        (name, *rest), environment = super().settings_to_cmd_args_env(settings_dict, parameters)
        folder = next(programs.folders(name), None)
        return [str(folder / name) if folder else name, *rest], environment
