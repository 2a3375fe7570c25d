"""Receivers of what we send, as processes of their own, and the loops that send it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from notifications import safe_http, vapid
from notifications.channels import registry
from notifications.courier import Courier
from notifications.relay import Relay
from proofs.sinks.running import Sink, sink


@pytest.fixture(scope="module")
def _receiver_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with sink("http", tmp_path_factory.mktemp("http")) as running:
        yield running


@pytest.fixture
def receiver(_receiver_process: Sink, settings: Any) -> Sink:
    """Give a webhook receiver on this machine, which may be reached, with an empty journal."""
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    if _receiver_process.journal.exists():
        _receiver_process.journal.write_bytes(b"")
    return _receiver_process


@pytest.fixture(scope="module")
def _edge_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with sink("push", tmp_path_factory.mktemp("push")) as running:
        yield running


@pytest.fixture
def edge(_edge_process: Sink, settings: Any) -> Sink:
    """Configure both pushes, with the vendors' edge on this machine and an empty journal."""
    origin = f"http://127.0.0.1:{_edge_process.port}"
    with urlopen(f"{origin}/service-account") as answer:
        settings.FCM_SERVICE_ACCOUNT = answer.read().decode()
    settings.FCM_URL = origin
    settings.VAPID_PRIVATE_KEY = vapid.new_private_key()
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    registry.channels.cache_clear()
    if _edge_process.journal.exists():
        _edge_process.journal.write_bytes(b"")
    return _edge_process


@pytest.fixture(autouse=True)
def _no_mail(settings: Any) -> None:
    """Mail is not configured until a test asks for it; pytest-django would keep it in memory."""
    settings.EMAIL_BACKEND = ""


@pytest.fixture
def mail(_no_mail: None, settings: Any, tmp_path: Path) -> Path:
    """Send mail into files of this folder."""
    settings.EMAIL_BACKEND = "videogen.mail_files.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    return tmp_path / "mail"


@pytest.fixture
def relay_all() -> Callable[[], None]:
    """Relay everything that was recorded."""

    def run() -> None:
        relay = Relay()
        relay.acquire_shards()
        while relay.step():
            pass

    return run


@pytest.fixture
def carry_all() -> Iterator[Callable[[], None]]:
    """Carry out everything that is due now."""
    courier = Courier(jitter=lambda: 0.5)

    def run() -> None:
        while courier.step(timeout=15):
            pass

    yield run
    courier.close()


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let names resolve as the test says: one list of addresses for each lookup, the last one for ever."""
    asked: list[str] = []

    def script(*answers: list[str]) -> list[str]:
        left = list(answers)

        def lookup(host: str, port: int) -> list[Any]:
            asked.append(host)
            found = left.pop(0) if len(left) > 1 else left[0]
            return [(None, None, None, "", (address, port)) for address in found]

        monkeypatch.setattr(safe_http, "lookup", lookup)
        return asked

    return script
