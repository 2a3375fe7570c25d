"""How a process without an HTTP port says that it works: by making the file it was given."""

from pathlib import Path

from django.conf import settings


def say_ready() -> None:
    """Make the file named in READY_FILE, if one was."""
    if settings.READY_FILE:
        Path(settings.READY_FILE).touch()
