"""Where an installation writes down what nobody means to publish: everything of it, as texts."""

import base64
import binascii
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import urlopen

import redis

from tests.collector import Collector

# Long runs of letters may be a text in base64: bodies of Celery's messages are.
_PACKED: Final = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
_DATABASES: Final = 3


@contextmanager
def listening(url: str) -> Iterator[list[bytes]]:
    """Give every command that Redis is sent, as it was sent: messages, pushes, values of the cache."""
    heard: list[bytes] = []
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 6379)) as line:
        if address.password:
            line.sendall(f"AUTH {address.password}\r\n".encode())
        line.sendall(b"MONITOR\r\n")
        thread = threading.Thread(target=_hear, args=(line, heard), daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            line.shutdown(socket.SHUT_RDWR)
            thread.join()


def _hear(line: socket.socket, heard: list[bytes]) -> None:
    """Keep what is said until the connection is closed."""
    with line.makefile("rb") as lines, suppress(OSError):
        heard.extend(lines)


def kept_in_redis(url: str) -> Iterator[bytes]:
    """Give the name and the value of everything in Redis."""
    for number in range(_DATABASES):
        with redis.Redis.from_url(f"{url}/{number}") as client:
            for name in client.scan_iter():
                yield name
                yield client.dump(name) or b""


def metrics(address: str) -> bytes:
    """Give what Prometheus would read."""
    with urlopen(f"http://{address}/metrics", timeout=30) as answer:
        found: bytes = answer.read()
    return found


def logs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give every file that a process writes lines to."""
    for path in sorted(folder.glob("log/*")):
        yield path.name, path.read_bytes()
    yield "bin/dev", (folder / "stack.out").read_bytes()


def posted(collector: Collector, path: str) -> list[bytes]:
    """Give the bodies that a collector was sent at an address."""
    return [body for sent_to, body in list(collector.taken) if sent_to.startswith(path)]


def processes_of(envelopes: list[bytes]) -> set[str]:
    """Give the names of the processes that reported errors."""
    found = set()
    for envelope in envelopes:
        for line in envelope.split(b"\n"):
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and "tags" in event:
                    found.add(str(event["tags"]["process"]))
    return found


def unpacked(text: bytes) -> bytes:
    """Give a text with what is packed in it behind it."""
    return b"\n".join([text, *_unpacked(text)])


def _unpacked(text: bytes) -> Iterator[bytes]:
    for found in _PACKED.findall(text):
        with suppress(binascii.Error):
            yield base64.b64decode(found + b"=" * (-len(found) % 4))
