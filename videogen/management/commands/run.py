"""Runs the loops that hold everything together, alone or as threads of one process."""

import logging
import signal
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand

from jobs import following, polling
from notifications import wakeup
from notifications.courier import Courier
from notifications.relay import Relay
from scheduler.dispatcher import Dispatcher
from scheduler.publisher import Publisher
from videogen import canaries, celery, exporter, garbage, process_metrics, readiness
from videogen.figures.reader import Reader
from videogen.loops import Loop

logger = logging.getLogger(__name__)

# Longest pauses while something waits, or nobody could be heard, seconds.
_DISPATCHER_IDLE: Final = 0.1
_PUBLISHER_IDLE: Final = 0.25
_RELAY_IDLE: Final = 0.05
_POLLER_IDLE: Final = 0.25
_COURIER_IDLE: Final = 0.2
_CANARIES_IDLE: Final = 5.0
# How long a courier with tries under way waits for the first, seconds.
_COURIER_WAITS: Final = 0.1
# How long a poller with questions under way waits for the first answer, seconds.
_POLLER_WAITS: Final = 0.2


def _dispatcher() -> Loop:
    dispatcher = Dispatcher()
    return Loop(
        name="dispatcher",
        start=dispatcher.start,
        step=dispatcher.step,
        idle=_DISPATCHER_IDLE,
        ear=wakeup.listen(wakeup.DISPATCHER, heeds=dispatcher.heeds),
        rest=lambda: dispatcher.rest,
    )


def _publisher() -> Loop:
    publisher = Publisher()
    return Loop(
        name="publisher",
        start=publisher.start,
        step=publisher.step,
        idle=_PUBLISHER_IDLE,
        ear=wakeup.listen(wakeup.DISPATCHER, heeds=publisher.heeds),
        rest=lambda: publisher.rest,
    )


def _canaries() -> Loop:
    aviary = canaries.Aviary()
    return Loop(name="canaries", start=aviary.start, step=aviary.step, idle=_CANARIES_IDLE)


def _relay() -> Loop:
    relay = Relay()

    def start() -> bool:
        relay.forget_shards()
        return relay.acquire_shards() > 0

    return Loop(
        name="relay",
        start=start,
        step=lambda: relay.step() > 0,
        idle=_RELAY_IDLE,
        busy=lambda: relay.pause,
        ear=wakeup.listen(wakeup.RELAY),
        rest=lambda: relay.rest,
        close=relay.close,
    )


def _poller() -> Loop:
    poller = polling.Poller()

    def step() -> bool:
        sent = poller.claim()
        answers = poller.answers(timeout=_POLLER_WAITS)
        following.follow_all(answers)
        return bool(sent or answers or poller.is_busy)

    return Loop(
        name="poller",
        start=lambda: True,
        step=step,
        idle=_POLLER_IDLE,
        ear=wakeup.listen(wakeup.POLLER),
        rest=lambda: poller.rest,
    )


def _courier() -> Loop:
    courier = Courier()
    return Loop(
        name="courier",
        start=lambda: True,
        step=lambda: courier.step(timeout=_COURIER_WAITS),
        idle=_COURIER_IDLE,
        ear=wakeup.listen(wakeup.COURIER),
        rest=lambda: courier.rest,
        close=courier.close,
    )


# The publisher is a thread beside every dispatcher, so that what it says of a line is as old as its grants; canaries
# for GPU queues go out from where their doorbells do.
_LOOPS: Final[dict[str, tuple[Callable[[], Loop], ...]]] = {
    "dispatcher": (_dispatcher, _publisher, _canaries),
    "relay": (_relay,),
    "poller": (_poller,),
    "courier": (_courier,),
}


# Between two signs of life; a loop that did not come round for so long hangs in a step, seconds.
_GLANCE: Final = 2.0
_HANGS: Final = 120.0


class Command(BaseCommand):
    help = (
        "Run the dispatcher, relay, poller or courier, export metrics of this machine's processes, or with"
        " them figures of the database (one of all machines), together or alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("roles", nargs="+", choices=[*_LOOPS, "metrics", "figures"])

    def handle(self, *_: Any, roles: list[str], **__: Any) -> None:
        celery.app.set_current()
        process_metrics.begin()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        loops = [make() for role in roles for make in _LOOPS.get(role, ())]
        for loop in loops:
            loop.stop = stop
        threads = [threading.Thread(target=loop.run, name=loop.name) for loop in loops]
        _export(roles)
        for thread in threads:
            thread.start()
        while not stop.wait(0.05) and any(loop.stepped_at is None for loop in loops):
            pass
        garbage.set_aside_what_stays()
        readiness.say_ready()
        started = time.monotonic()
        while not stop.wait(_GLANCE):
            _give_sign(loops)
        for loop in loops:
            loop.end()
        for thread in threads:
            thread.join()
        logger.info("stopped", extra={"seconds": round(time.monotonic() - started)})


def _export(roles: Sequence[str]) -> None:
    if not {"metrics", "figures"} & set(roles):
        return
    reader = Reader() if "figures" in roles else None
    exporter.serve(settings.METRICS_HOST, settings.METRICS_PORT, figures=reader)
    if reader is not None:
        reader.start()


def _give_sign(loops: Sequence[Loop]) -> None:
    """Show that no loop hangs."""
    if all(time.monotonic() - loop.seen_at < _HANGS for loop in loops):
        readiness.say_ready()
