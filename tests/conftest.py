"""Starts real servers before Django reads its settings, and gives the fixed cast of the tests."""

import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import django
import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests import emptying, spreading
from videogen.embedded import leftovers
from videogen.embedded.temporary import TemporaryServers

# A polite end is an end like Ctrl-C: it too stops the servers.
signal.signal(signal.SIGTERM, signal.default_int_handler)
# Each process of a run has servers of its own, until it shows that it only hands the tests out.
_services = TemporaryServers()
_IS_FIRST = "PYTEST_XDIST_WORKER" not in os.environ
if _IS_FIRST:
    # Whatever is started from here on can be told by it.
    os.environ[leftovers.MARK] = str(_services.folder)
_environment = {**_services.start(), "DJANGO_SETTINGS_MODULE": "videogen.settings"}
os.environ.update(_environment)
django.setup()

from django.conf import settings  # noqa: E402 - only now are they complete

from videogen.accounts import known_keys, last_used  # noqa: E402

# Tests write what was marked themselves; a thread would do it between their lines.
last_used.EVERY = 86_400.0
# Tests that change a key say so; a look by the clock would be a statement that nobody expects.
known_keys.LOOK_EVERY = 86_400.0

# Slow hashing protects real passwords; here it would be most of the time.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Every client of a test makes the middleware anew; reading all static files each time would be most of the rest.
settings.WHITENOISE_AUTOREFRESH = True


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Say how many processes run what was asked for; 0 is this one alone."""
    return spreading.workers(config.args)


def pytest_xdist_setupnodes() -> None:
    """Let each process start servers of its own: pytest-django would set it up on those that it inherits."""
    _services.stop()
    for name in _environment:
        del os.environ[name]


def pytest_unconfigure() -> None:
    """Stop the servers after the last test, and what processes left that were interrupted and had no time."""
    # Threads that listen until the end miss them, and nobody is there to be told.
    logging.disable()
    _services.stop()
    if _IS_FIRST:
        leftovers.end(leftovers.of_stack(str(_services.folder)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> spreading.ByGroup:
    """Hand the tests out by file, and those on the stack to one process."""
    return spreading.ByGroup(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what takes long begin first."""
    spreading.arrange(items)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Leave the database where it is: its server goes right after, whoever is still connected."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    """Migrate once, and put the database back to that after every test that commits."""
    with django_db_blocker.unblock():
        emptying.begin()


@pytest.fixture(autouse=True)
def _no_memory_between_tests() -> None:
    """Forget what a process remembers for a moment: offers, keys, flood counts."""
    from django.core.cache import caches

    from jobs import catalog, media_hosts, outlooks, speeds
    from jobs.api import rate_limits
    from videogen.accounts import keys, tokens

    catalog.forget()
    media_hosts.forget()
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
