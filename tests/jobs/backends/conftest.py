"""Servers that the tests of a file share."""

from collections.abc import Iterator

import pytest

from tests.gpu import FakeGpu
from tests.jobs.backends.video_servers import PAIRS, Servers


@pytest.fixture(scope="package")
def servers() -> Iterator[Servers]:
    """Give the servers of all dialects, each started when it is first asked for."""
    found = Servers()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(params=PAIRS)
def dialect(request: pytest.FixtureRequest) -> str:
    """Give each dialect in turn."""
    return str(request.param)


@pytest.fixture
def profile(dialect: str) -> str:
    """Give the profile that is meant for the dialect."""
    return PAIRS[dialect]


@pytest.fixture
def gpu(dialect: str, servers: Servers) -> FakeGpu:
    """Give the dialect's server."""
    return servers.get(dialect)
