"""Too much work, too few slots, and servers that do not do it."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from http import HTTPStatus

from proofs.alerts.causes import cause
from proofs.alerts.place import Place, until
from tests.gpu import FakeGpu

_TIERS = ("free", "pro", "enterprise", "internal")
_SECONDS = 2
# Between two jobs for a server that goes on working, seconds.
_PACE = 3.0
# Between two who are refused, seconds.
_ASKED_EVERY = 0.3


@cause("NoSlots", "WaitTooLong", wave="paused")
@contextmanager
def pools_that_are_paused(place: Place) -> Iterator[None]:
    """Somebody pauses the only pool, and paid jobs wait beyond their promise."""
    ((slots,),) = place.sql("select slots from pool where name = 'preview'")
    # The job comes before the pause: a line without a pool soon takes nobody.
    place.submit_all("internal", slots, seconds=12)
    place.wait_for_rows(slots, "select 1 from lease where pool_id = 'preview'")
    place.submit_all("enterprise", 1, seconds=_SECONDS)
    with (
        place.setting("tier", "start_promise_seconds", 5, where="name = 'enterprise'"),
        place.setting("pool", "state", "paused", where="name = 'preview'"),
    ):
        yield


@cause("QueueAboveBound", "RefusalsHigh", wave="crowd")
@contextmanager
def a_crowd(place: Place) -> Iterator[None]:
    """More waits than may by now, and others go on asking."""
    place.submit_all("internal", 20, seconds=12)
    with place.setting("tier", "door_bound_seconds", 1, where="name = 'internal'"):
        until(
            lambda: place.submit("internal", seconds=12) == [HTTPStatus.SERVICE_UNAVAILABLE],
            "somebody is refused",
        )
        with _repeated(partial(place.submit, "internal", seconds=12), pause=_ASKED_EVERY):
            yield
    place.cancel_waiting(_TIERS)


@cause("AttemptsStuck", "StuckRepaired", wave="worker", within=120)
@contextmanager
def attempts_that_nobody_ends(place: Place) -> Iterator[None]:
    """A worker dies with all its attempts, and a session keeps the sweeps from them."""
    with place.setting("pool", "slots", 6, where="name = 'preview'"):
        until(
            lambda: place.submit("internal", seconds=12) == [HTTPStatus.ACCEPTED],
            "the door is open",
        )
        place.submit_all("internal", 7, seconds=12)
        running = "select 1 from lease where picked_up_at is not null"
        place.wait_for_rows(5, running)
        place.signal("gpu-worker", signal.SIGKILL)
        with place.holding("select 1 from job where finished_at is null for update"):
            place.wait_for_value('ALERTS{alertname="AttemptsStuck",alertstate="firing"}', 1)
        yield
    place.cancel_waiting(_TIERS)


@cause("BreakerOpen", wave="servers", within=150)
@contextmanager
def a_server_that_is_gone(place: Place) -> Iterator[None]:
    """It ends while it works."""
    with _server(place, "gone", dialect="vllm_omni", driver="openai_videos", speed=30) as gpu:
        place.submit_all("internal", 2, model="proof/gone", seconds=_SECONDS)
        gpu.wait_for("submitted", count=1, patience=60)
        gpu.kill()
        yield
        gpu.start()
        place.cancel_waiting(_TIERS)


@cause("AttemptsFail", "PoolQuarantined", wave="servers", within=150, cleared_within=300)
@contextmanager
def a_server_that_fails(place: Place) -> Iterator[None]:
    """Every generation fails."""
    with _server(place, "failing", dialect="vllm_omni", driver="openai_videos", speed=0.2) as gpu:
        gpu.fault("failure")
        place.submit_all("internal", 10, model="proof/failing", seconds=_SECONDS)
        yield
        gpu.fault("failure", 0)
        place.cancel_waiting(_TIERS)


@cause("WebhooksMissing", wave="servers", within=240, cleared_within=240)
@contextmanager
def a_server_that_stops_telling(place: Place) -> Iterator[None]:
    """Its webhooks came, and do not any more."""
    with _server(place, "silent", dialect="replicate", driver="replicate", speed=0.3) as gpu:
        _finish(place, "silent", 3)
        name = 'sum(increase(videogen_completions_total{pool="silent",learned_by="webhook"}[10m]))'
        until(lambda: (place.value(name) or 0) > 0, "webhooks came")
        gpu.fault("webhook_lost")
        job = partial(place.submit, "internal", model="proof/silent", seconds=_SECONDS)
        with _repeated(job, pause=_PACE):
            yield


@contextmanager
def _repeated(act: Callable[[], object], *, pause: float) -> Iterator[None]:
    """Do something again and again, on a thread of its own."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(pause):
            act()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _finish(place: Place, pool: str, count: int) -> None:
    """Let a pool finish so many jobs more."""
    ended = "select 1 from attempt where pool = %s and ended_at is not null"
    before = len(place.sql(ended, pool))
    place.submit_all("internal", count, model=f"proof/{pool}", seconds=_SECONDS)
    place.wait_for_rows(before + count, ended, pool)


@contextmanager
def _server(
    place: Place, name: str, *, dialect: str, driver: str, speed: float
) -> Iterator[FakeGpu]:
    """Have a reference GPU server, and its pool."""
    with ExitStack() as stack:
        gpu = stack.enter_context(FakeGpu(dialect=dialect, slots=4, speed=speed))
        profile = ("--profile", dialect) if driver == "openai_videos" else ("--key", "proof")
        place.stack.manage(
            *("add_pool", "--name", name, "--driver", driver, "--url", gpu.url, "--slots", "4"),
            *("--models", f"proof/{name}", "--seconds", str(_SECONDS), "--sizes", "1280x720"),
            *("--speed", str(speed), "--polls-per-second", "10", "--no-test", *profile),
        )
        stack.callback(_remove, place, name)
        until(
            lambda: place.submit("internal", model=f"proof/{name}", seconds=_SECONDS) == [202],
            f"a job for {name} is taken",
        )
        yield gpu


def _remove(place: Place, name: str) -> None:
    """Let the pool go once nothing holds it any more; until then it drains."""
    place.cancel_waiting(_TIERS)
    until(
        lambda: "removed" in place.stack.manage("remove_pool", "--name", name), f"{name} is removed"
    )
