"""Every dialect with the driver and profile that is meant for it, what is known of it, and orders for its server."""

import time
from dataclasses import dataclass, replace
from typing import Any

from jobs.backends import registry
from jobs.backends.backend import AsynchronousBackend, Order, Sighting, StillRunning, StillWaiting
from tests.fake_gpu.receiver import Letter, Receiver
from tests.jobs.backends import video_servers


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One kind of server, as its documentation or its code has it."""

    name: str
    driver: str = "openai_videos"
    profile: str = ""
    # Whether a cancel frees the GPU: for a waiting job, for a running one.
    stops: tuple[bool, bool] = (False, False)
    # Nobody has described its cancel: the worst is assumed.
    stops_unknown: bool = False
    # A cancel that is refused for now may be taken later.
    retries_cancel: bool = True
    remembers: bool = False
    # A waiting job is shown by another word than a running one.
    shows_waiting: bool = True
    has_list: bool = True
    # Its list shows enough to find an order by.
    finds: bool = True
    signs: bool = False
    opens_by_url: bool = False
    models: tuple[str, ...] = ()
    has_health: bool = True

    @property
    def backend(self) -> AsynchronousBackend:
        return registry.asynchronous(self.driver)

    def order(self, gpu: video_servers.Server, **changes: Any) -> Order:
        """Give an order of a job of its own."""
        found = video_servers.order(gpu, self.profile or self.name, **changes)
        site = replace(found.site, driver=self.driver, webhook_secret=video_servers.SECRET)
        if self.driver != "openai_videos":
            site = replace(site, profile="")
            found = replace(found, model="owner/name", seed=changes.get("seed"))
        return replace(found, site=site)

    def sent(self, wanted: Order) -> Order:
        """Submit, and give the order with what came back."""
        taken = self.backend.submit(wanted)
        return replace(wanted, backend_job_id=taken.backend_job_id, handle=taken.handle)

    def until_ended(self, wanted: Order) -> Sighting:
        """Look until there is an end; everything before it must be in order."""
        deadline = time.monotonic() + 60
        while isinstance(found := self.backend.look(wanted), StillWaiting | StillRunning):
            if isinstance(found, StillRunning) and found.percent is not None:
                assert 0 <= found.percent <= 100
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return found


def _hosted(one: Dialect) -> Dialect:
    return replace(
        one,
        stops=(True, True),
        retries_cancel=False,
        remembers=True,
        signs=True,
        opens_by_url=True,
    )


DIALECTS = (
    Dialect(
        name="openai",
        remembers=True,
        retries_cancel=False,
        signs=True,
        models=("sora-2", "sora-2-pro"),
        has_health=False,
    ),
    Dialect(name="vllm_omni", stops=(True, True), shows_waiting=False, models=("wan-as-served",)),
    Dialect(name="sglang", models=("Wan-AI/Wan2.1-T2V-1.3B-Diffusers",)),
    Dialect(name="aquiles", stops=(True, False), models=("wan2.2",)),
    Dialect(name="trtllm_visualgen", shows_waiting=False, models=("visual-gen",)),
    Dialect(name="rough", profile="generic", stops_unknown=True, finds=False, has_health=False),
    _hosted(Dialect(name="replicate", driver="replicate")),
    _hosted(Dialect(name="fal", driver="fal", has_list=False, finds=False, has_health=False)),
)
SIGNING = tuple(one for one in DIALECTS if one.signs)


def letters(
    receiver: Receiver, backend_job_id: str, count: int = 1, *, patience: float = 10.0
) -> list[Letter]:
    """Wait for so many webhooks about a job."""
    deadline = time.monotonic() + patience
    name = backend_job_id.encode()
    while len(found := [one for one in receiver.letters if name in one.body]) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} of {count} webhooks came.")
        time.sleep(0.01)
    return found
