"""Starts real servers before Django reads its settings, and gives the fixed cast of the tests."""

import os
import signal
from collections.abc import Iterator

import django
import pytest

from videogen.embedded.temporary import TemporaryServers

# A polite end is an end like Ctrl-C: it too stops the servers.
signal.signal(signal.SIGTERM, signal.default_int_handler)
_services = TemporaryServers()
os.environ.update(_services.start())
os.environ["DJANGO_SETTINGS_MODULE"] = "videogen.settings"
django.setup()

from django.conf import settings  # noqa: E402 - only now are they complete

from videogen.accounts import last_used  # noqa: E402

# Tests write what was marked themselves; a thread would do it between their lines.
last_used.EVERY = 86_400.0

# Slow hashing protects real passwords; here it would be most of the time.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_unconfigure() -> None:
    """Stop the servers after the last test."""
    _services.stop()


@pytest.fixture(autouse=True)
def _no_memory_between_tests() -> None:
    """Forget what a process remembers for a moment: offers, keys, flood counts."""
    from django.core.cache import caches

    from jobs import catalog, outlooks, speeds
    from jobs.api import rate_limits
    from videogen.accounts import keys, tokens

    catalog.forget()
    outlooks.forget()
    speeds.forget()
    keys.forget()
    rate_limits.forget()
    tokens.forget()
    caches["throttling"].clear()
    caches["default"].clear()


@pytest.fixture(scope="session")
def running_stack(request: pytest.FixtureRequest) -> Iterator["object"]:
    """Give the whole stack of bin/dev, started once for all journeys."""
    from tests.stack import RunningStack

    stack = RunningStack()
    failed_before = request.session.testsfailed
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
        if request.session.testsfailed > failed_before:
            print(stack.output())
        stack.remove()
