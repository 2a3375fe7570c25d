"""The application's code on servers of the benchmark's own, so that nothing else is measured or touched."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from videogen.embedded.temporary import TemporaryServers


@contextmanager
def application() -> Iterator[None]:
    """Start PostgreSQL and Valkey, set Django up on them, migrate; stop them afterwards. Once per process."""
    servers = TemporaryServers()
    try:
        os.environ.update(servers.start())
        os.environ["DJANGO_SETTINGS_MODULE"] = "videogen.settings"
        import django  # noqa: PLC0415 - the settings are known only now

        django.setup()
        # A line for each of thousands of jobs would hide the figures.
        logging.disable(logging.WARNING)
        from django.core.management import call_command  # noqa: PLC0415

        call_command("migrate", interactive=False, verbosity=0)
        yield
    finally:
        servers.stop()


def add_owner(name: str, *, slots: int = 1) -> UUID:
    """Add an account without limits, and a preview pool with so many slots."""
    from jobs import seeds  # noqa: PLC0415 - after django.setup
    from jobs.models import Pool  # noqa: PLC0415
    from videogen.accounts.models import User  # noqa: PLC0415

    seeds.add_preview_pool()
    Pool.objects.update(slots=slots)
    user = User.objects.create_user(f"{name}@bench.example", None, tier="internal")
    return UUID(str(user.pk))
