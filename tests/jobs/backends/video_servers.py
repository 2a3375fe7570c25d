"""One reference server for each dialect of /v1/videos, used by all tests of a file, and orders for it."""

import base64
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from jobs.backends.backend import (
    Finished,
    Order,
    Sighting,
    Site,
    StillRunning,
    StillWaiting,
    Submitted,
)
from jobs.backends.openai_videos.driver import OpenAIVideosBackend
from jobs.ids import OwnerId, new_id, new_job_id
from tests.fake_gpu.receiver import Receiver
from tests.gpu import FakeGpu

# Each dialect with the profile that is meant for it.
PAIRS = {
    "openai": "openai",
    "vllm_omni": "vllm_omni",
    "sglang": "sglang",
    "aquiles": "aquiles",
    "trtllm_visualgen": "trtllm_visualgen",
    "rough": "generic",
}
KEY = "sk-reference-0123456789"
SECRET = "whsec_" + base64.b64encode(b"a key for the tests, 32 bytes---").decode()
DRIVER = OpenAIVideosBackend()


class Servers:
    """Starts a dialect's server when it is first wanted, and gives it back as it was."""

    def __init__(self) -> None:
        self._running: dict[str, FakeGpu] = {}
        # Hears the webhooks of all of them.
        self.receiver = Receiver()
        self.receiver.__enter__()

    def get(self, dialect: str) -> FakeGpu:
        """Give the server of a dialect, with one slot and nothing in it."""
        if dialect not in self._running:
            options: dict[str, Any] = {"speed": 0.001, "jitter": 0, "api_key": KEY}
            if dialect == "vllm_omni":
                options["model"] = "wan-as-served"
            options |= {"webhook_url": self.receiver.url, "webhook_secret": SECRET}
            gpu = FakeGpu(dialect=dialect, **options)
            gpu.start()
            self._running[dialect] = gpu
        gpu = self._running[dialect]
        gpu.restart()
        while (state := gpu.state())["running"] or state["waiting"]:
            gpu.release()
        return gpu

    def stop(self) -> None:
        """Stop all."""
        for gpu in self._running.values():
            gpu.__exit__(None, None, None)
        self.receiver.__exit__(None, None, None)


class Server(Protocol):
    """Whatever listens somewhere."""

    url: str


def site(gpu: Server, profile: str, **changes: Any) -> Site:
    return replace(
        Site(pool="gpus", driver="openai_videos", profile=profile, url=gpu.url, key=KEY), **changes
    )


def order(gpu: Server, profile: str, **changes: Any) -> Order:
    plain = Order(
        job_id=new_job_id(),
        owner_id=OwnerId(new_id()),
        attempt=1,
        prompt=f"A lighthouse in the rain, {new_id()}",
        model="sora-2",
        seconds=4,
        width=1280,
        height=720,
        seed=7,
        site=site(gpu, profile),
        submitted_at=datetime.now(UTC),
    )
    return replace(plain, **changes)


def sent(wanted: Order, driver: OpenAIVideosBackend = DRIVER) -> Order:
    """Submit, and give the order with what came back."""
    taken: Submitted = driver.submit(wanted)
    return replace(wanted, backend_job_id=taken.backend_job_id, handle=taken.handle)


def until_ended(wanted: Order) -> Sighting:
    """Look until there is an end; everything before it must be in order."""
    deadline = time.monotonic() + 60
    while isinstance(found := DRIVER.look(wanted), StillWaiting | StillRunning):
        if isinstance(found, StillRunning) and found.percent is not None:
            assert 0 <= found.percent <= 100
        assert time.monotonic() < deadline
    return found


def finished(wanted: Order) -> Finished:
    found = until_ended(wanted)
    assert isinstance(found, Finished), found
    return found


def runs_on(gpu: FakeGpu, wanted: Order) -> None:
    """Make sure that the GPU works on a job to its end."""
    deadline = time.monotonic() + 60
    while not gpu.journal("finished", wanted.backend_job_id):
        gpu.release()
        assert time.monotonic() < deadline


@contextlib.contextmanager
def struck(gpu: FakeGpu, *names: str) -> Iterator[None]:
    """Let faults strike within the block, beside those that the dialect always has."""
    before = gpu.state()["faults"]
    gpu.control("faults", dict.fromkeys(names, 1.0))
    try:
        yield
    finally:
        gpu.control("faults", {name: before.get(name, 0.0) for name in names})
