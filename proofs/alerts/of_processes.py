"""Processes and servers that end, hang, or are slow."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.request import Request, urlopen

from proofs.alerts.causes import cause
from proofs.alerts.place import Place, until

_LISTENERS = 24
_RESTARTS = 5
_READERS = 8


@cause("TicksOld", wave="beat")
@contextmanager
def a_clock_that_stands(place: Place) -> Iterator[None]:
    """Beat hangs."""
    with place.stopped("beat"):
        yield


@cause("ProcessDown", wave="beat")
@contextmanager
def a_push_process_that_hangs(place: Place) -> Iterator[None]:
    """It takes connections and answers nothing."""
    with place.stopped("push"):
        yield


@cause("SocketsLost", wave="sockets")
@contextmanager
def listeners_that_are_gone(place: Place) -> Iterator[None]:
    """A push process with all its listeners is killed."""
    with ExitStack() as open_streams:
        for _ in range(_LISTENERS):
            request = Request(
                f"{place.stack.demo['push_url']}/api/v1/events",
                headers={
                    "Authorization": f"Bearer {place.stack.account('internal')['api_key']}",
                    "Accept": "text/event-stream",
                },
            )
            open_streams.enter_context(urlopen(request, timeout=30))
        place.wait_for_value("sum(videogen_sockets)", _LISTENERS)
        place.signal("push", signal.SIGKILL)
    yield


@cause("ProcessRestarts", wave="restarts")
@contextmanager
def a_worker_that_ends_again_and_again(place: Place) -> Iterator[None]:
    """It is killed whenever it comes up."""
    for _ in range(_RESTARTS):
        before = _start_of(place, "upkeep")
        place.signal("upkeep", signal.SIGKILL)
        until(lambda before=before: _start_of(place, "upkeep") > before, "upkeep starts anew")  # type: ignore[misc]  # bound now
    yield


def _start_of(place: Place, process: str) -> float:
    name = f'videogen_process_started_timestamp_seconds{{process="{process}"}}'
    return place.value(name) or 0.0


@cause("RedisDown", wave="redis")
@contextmanager
def a_redis_that_hangs(place: Place) -> Iterator[None]:
    """It takes connections and answers nothing."""
    with place.stopped("valkey"):
        yield


@cause("PostgresDown", "RequestsFail", wave="postgres down")
@contextmanager
def a_database_that_is_away(place: Place) -> Iterator[None]:
    """It hangs, and people go on asking."""
    stop = threading.Event()
    asking = threading.Thread(target=_ask_on, args=(place, stop))
    with place.stopped("postgres"):
        asking.start()
        yield
        stop.set()
    asking.join()


def _ask_on(place: Place, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        place.call("internal", "jobs")


@cause("PostgresSlow", wave="postgres slow", within=120)
@contextmanager
def a_database_that_is_slow(place: Place) -> Iterator[None]:
    """Its machine gives it a part of the time."""
    stop = threading.Event()

    def stutter() -> None:
        while not stop.wait(0.3):
            with place.stopped("postgres"):
                time.sleep(0.9)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@cause("MetricsMissing", wave="core")
@contextmanager
def a_core_that_hangs(place: Place) -> Iterator[None]:
    """The process that serves the metrics is stopped."""
    with place.stopped("core"):
        yield


@cause("DeliveriesFail", wave="mail", cleared_within=300)
@contextmanager
def a_mail_server_that_is_away(place: Place) -> Iterator[None]:
    """Mail goes into a folder here; it is a file now."""
    folder, aside = place.stack.data_dir / "mail", place.stack.data_dir / "mail.aside"
    keys = place.stack.data_dir / "keys"
    # A person's mail is not tried again and again when it fails, so several wait for one.
    place.stack.manage(
        *("seed_accounts", "--count", str(_READERS), "--tier", "pro", "--keys-file", str(keys))
    )
    folder.mkdir(exist_ok=True)
    folder.rename(aside)
    folder.touch()
    try:
        for key in keys.read_text().split():
            place.call(
                "", "jobs", {"prompt": "A letter", "model": "preview", "seconds": 2}, key=key
            )
        yield
    finally:
        folder.unlink()
        aside.rename(folder)
