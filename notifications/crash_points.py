"""Places where a proof kills the process: `CRASH_POINT=relay.committed` or, at the third visit, `relay.committed:3`.

The variable is read once, when a process starts; without it a place costs a call that does nothing.
"""

import os
import signal
from typing import Final

# Every place, in the order in which one event passes them.
PLACES: Final = (
    "relay.before_claim",
    "relay.claimed",
    "relay.noticed",
    "relay.planned",
    "relay.heard",
    "relay.committed",
    "relay.pushed",
    "relay.marked",
    "courier.before_claim",
    "courier.claimed_uncommitted",
    "courier.claimed",
    "courier.before_send",
    "webhook.answered",
    "email.rendered",
    "email.accepted",
    "web_push.answered",
    "mobile_push.answered",
    "courier.sent",
    "courier.recorded_uncommitted",
    "courier.recorded",
)
# Where notices that waited for their time are let go.
RELEASES: Final = ("holds.released_uncommitted", "holds.released")

_name, _, _visit = os.environ.get("CRASH_POINT", "").partition(":")
_visits_left = int(_visit or 1)


def _nothing(place: str) -> None:
    """Go on: nobody asked for a crash."""


def _die(place: str) -> None:
    global _visits_left  # noqa: PLW0603 - one countdown per process
    if place != _name:
        return
    _visits_left -= 1
    if _visits_left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


reach = _die if _name else _nothing
