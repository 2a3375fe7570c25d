"""Carrying deliveries out: claimed in batches by state, sent in threads, written down by the loop's own thread.

Each channel has places of its own, and in one whose targets are strangers to each other a part of them is kept for
targets that fail or were never reached: one that hangs slows nobody who answers.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from random import random
from typing import Final

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from notifications import crash_points, deliveries, respect, results, routes, traces
from notifications.channel import Channel, DeliveryFailed, Held, Parcel, Receipt, Skipped
from notifications.channels import registry
from notifications.metrics import ATTEMPTS, DELIVERY_LAG
from notifications.results import Outcome

logger = logging.getLogger(__name__)

# Of a channel's places, for targets that are not trusted.
_DOUBTFUL_SHARE: Final = 3
# Routes that nobody looks at are looked for so often, seconds.
_MEND_EVERY: Final = 30.0
# What one owner's targets may have under way in a channel of strangers, in all couriers together: whoever has twenty
# hanging addresses holds a sixth of one courier.
_PER_OWNER: Final = 4
# Routes are looked at so often without being told of, seconds.
_REST: Final = 1.0
# How long the loop waits for an answer before it looks for more, seconds; longer while nothing happens.
_SHORTEST_WAIT: Final = 0.01
_BROKEN: Final = "It could not be sent because of a fault of ours."


@dataclass(frozen=True, slots=True)
class _UnderWay:
    channel: Channel
    parcel: Parcel
    is_trusted: bool


class Courier:
    """Keeps tries under way; every process that runs one carries for all channels."""

    def __init__(self, jitter: Callable[[], float] = random) -> None:
        self._jitter = jitter
        places = sum(channel.threads for channel in registry.channels().values())
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="courier")
        self._under_way: dict[Future[Outcome], _UnderWay] = {}
        self._mended_at = 0.0
        self._pause = _SHORTEST_WAIT
        # Seconds for which nothing is due that is known of.
        self.rest = 0.0

    def close(self) -> None:
        """Wait for what is under way, write it down and end the threads."""
        while self._under_way:
            self._write_down(timeout=1.0)
        self._threads.shutdown(wait=True)

    def step(self, *, timeout: float) -> bool:
        """Claim, send, and write down what came back within `timeout` seconds at most; say whether there was work."""
        crash_points.reach("courier.before_claim")
        if time.monotonic() - self._mended_at > _MEND_EVERY:
            self._mended_at = time.monotonic()
            if mended := routes.mend():
                logger.warning("routes_mended", extra={"count": mended})
        channels = registry.channels()
        turns = routes.next_turns(channels)
        begun = sum(self._begin(channels[name]) for name in channels if turns.get(name, _REST) <= 0)
        self.rest = min([_REST, *turns.values()])
        # A target that hangs must not keep the loop from looking for what others have to do.
        self._pause = _SHORTEST_WAIT if begun else min(timeout, 2 * self._pause)
        written = self._write_down(timeout=self._pause)
        if written:
            self._pause = _SHORTEST_WAIT
        return bool(begun or written or self._under_way)

    def _begin(self, channel: Channel) -> int:
        rooms: dict[bool | None, int] = {None: channel.threads}
        if channel.isolates:
            doubtful = channel.threads // _DOUBTFUL_SHARE
            rooms = {True: channel.threads - doubtful, False: doubtful}
        count = 0
        for trusted, places in rooms.items():
            taken = sum(
                one.channel is channel and (trusted is None or one.is_trusted is trusted)
                for one in self._under_way.values()
            )
            for parcel in deliveries.claim(
                channel,
                room=places - taken,
                trusted=trusted,
                per_owner=_PER_OWNER if channel.isolates else None,
            ):
                future = self._threads.submit(_carry, self._prepared(channel, parcel))
                self._under_way[future] = _UnderWay(channel, parcel, trusted is not False)
                count += 1
        return count

    def _prepared(self, channel: Channel, parcel: Parcel) -> Callable[[], Receipt]:
        try:
            respect.check(channel, parcel, now=timezone.now())
            return channel.prepare(parcel)
        except (OperationalError, InterfaceError):
            # The claim runs out and the delivery comes back.
            raise
        except Exception as error:  # noqa: BLE001 - written down and logged like what cannot be sent
            return _raises(error)

    def _write_down(self, *, timeout: float) -> int:
        if not self._under_way:
            return 0
        done, _ = wait(self._under_way, timeout=timeout, return_when=FIRST_COMPLETED)
        for future in done:
            one, outcome = self._under_way[future], future.result()
            try:
                results.record(one.channel, one.parcel, outcome, jitter=self._jitter())
            except (OperationalError, InterfaceError):
                # The database is away: what is known is written down when it is back.
                raise
            except Exception:
                # Left to the end of its claim, not to an endless loop.
                del self._under_way[future]
                raise
            del self._under_way[future]
            ATTEMPTS.labels(channel=one.parcel.channel, outcome=outcome.kind).inc()
            traces.note(
                f"deliver {one.parcel.channel}",
                one.parcel.subject_id,
                since=outcome.started_at,
                outcome=outcome.kind,
            )
            if outcome.kind == "delivered":
                # A delivery's id begins with the time at which it was planned.
                planned_at = (one.parcel.id.int >> 80) / 1000
                DELIVERY_LAG.labels(channel=one.parcel.channel).observe(time.time() - planned_at)
        return len(done)


def attempt(channel: Channel, parcel: Parcel, *, is_only: bool) -> Outcome:
    """Make one try in the caller's own thread, for somebody who waits for it, and write it down.

    `is_only` lets a failure end it: no later try would be of use to anybody.
    """
    try:
        send = channel.prepare(parcel)
    except (DeliveryFailed, Skipped) as error:
        send = _raises(error)
    outcome = _carry(send)
    if is_only and outcome.kind == "failed":
        outcome = replace(outcome, is_final=True)
    results.record(channel, parcel, outcome, jitter=0.0)
    return outcome


def _raises(error: Exception) -> Callable[[], Receipt]:
    def send() -> Receipt:
        raise error

    return send


def _carry(send: Callable[[], Receipt]) -> Outcome:
    """Send, and say in plain values what became of it."""
    crash_points.reach("courier.before_send")
    started_at, began = timezone.now(), time.monotonic()

    def outcome(kind: str, receipt: Receipt, reason: str = "") -> Outcome:
        took_ms = round((time.monotonic() - began) * 1000)
        return Outcome(
            kind=kind, reason=reason, receipt=receipt, started_at=started_at, took_ms=took_ms
        )

    try:
        receipt = send()
    except Skipped as skip:
        return outcome("skipped", Receipt(), skip.reason)
    except Held as hold:
        return replace(
            outcome("held", Receipt(), hold.reason), until=hold.until, is_daily=hold.is_daily
        )
    except DeliveryFailed as failure:
        return Outcome(
            kind="failed",
            reason=failure.reason,
            is_final=failure.permanent,
            is_gone=failure.is_gone,
            wish=failure.retry_after,
            wants_quiet=failure.wants_quiet,
            receipt=failure.receipt,
            started_at=started_at,
            took_ms=round((time.monotonic() - began) * 1000),
        )
    except (
        Exception
    ):  # a bug in one message must not stop the others; it is reported and tried again
        logger.exception("delivery_broke")
        return outcome("failed", Receipt(), _BROKEN)
    crash_points.reach("courier.sent")
    return outcome("delivered", receipt)
