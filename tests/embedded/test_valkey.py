"""The embedded Valkey: behind a password, on loopback, refusing writes rather than forgetting queues."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from videogen.embedded import places, valkey


@pytest.fixture
def server(tmp_path: Path) -> Iterator[valkey.Valkey]:
    """Give a running server, in a folder with a space in its name."""
    folder = tmp_path / "a folder"
    places.prepare(folder)
    server = valkey.prepare(folder)
    process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not server.is_ready():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield server
    process.terminate()
    process.wait(10)


def test_nobody_enters_without_the_password(server: valkey.Valkey) -> None:
    with (
        redis.Redis(host="127.0.0.1", port=server.port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_a_full_memory_forgets_nothing(server: valkey.Valkey) -> None:
    with redis.Redis.from_url(server.url) as client:
        found = client.config_get("maxmemory-policy")

    assert found == {"maxmemory-policy": "noeviction"}


def test_the_password_is_not_in_the_command_line(server: valkey.Valkey) -> None:
    assert server.password not in " ".join(server.command)
    assert server.config.stat().st_mode & 0o777 == 0o600
