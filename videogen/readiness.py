"""How a process without an HTTP port says that it works: it touches the file that it was given, again and again."""

from pathlib import Path

from django.conf import settings


def say_ready() -> None:
    """Make the file named in READY_FILE young, if one was."""
    if settings.READY_FILE:
        Path(settings.READY_FILE).touch()
