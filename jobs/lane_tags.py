"""Pure: how the tag of an owner's lane moves (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996).

A tag is GPU-seconds per weight that the owner was granted in a line. It is moved by the estimate at the
grant and corrected when the attempt ends; what waits or is cancelled while it waits moves nothing.
The statements of submission, grants and transitions write these values.
"""

from typing import Final

# A refund leaves a tag at most so many GPU-seconds behind its line: nobody saves up more than that.
LARGEST_REFUND: Final = 600.0
# A head that waited for so much of its tier's bound is overdue. Simulated at ten times the load with half the
# capacity, 0.6 missed four of ten promises, 0.4 one of sixteen.
OVERDUE_FROM: Final = 0.4
# A lane that its owner's limit held back must have waited for others for this part of that time: most of
# the wait was its own doing.
_HELD_COUNTS: Final = 0.4
# Of its tier's bound, so much of a wait at the owner's limit does not count.
OWN_DOING: Final = (1 - _HELD_COUNTS) * OVERDUE_FROM


def counts_from(*, held_until: float, bound: float | None) -> float:
    """Give from when waiting counts in a lane that its owner's limit held back until a moment."""
    return held_until - OWN_DOING * (bound or 0.0)


def opened(*, tag: float | None, is_empty: bool, virtual_time: float) -> float:
    """Give the tag of a lane when a job comes in: an idle owner starts level with its line.

    `tag` is None for a new lane.
    """
    if tag is None:
        return virtual_time
    return max(tag, virtual_time) if is_empty else tag


def granted(*, tag: float, estimate: float, weight: float = 1.0) -> float:
    """Give the tag after a grant."""
    return tag + estimate / weight


def charge(*, held: float, owner_pays: bool) -> float:
    """Give the GPU-seconds that an ended attempt costs its owner's turn; nothing if it was lost by us."""
    return held if owner_pays else 0.0


def corrected(
    *, tag: float, estimate: float, charged: float, virtual_time: float, weight: float = 1.0
) -> float:
    """Give the tag after an attempt ended: what it really took in place of what was estimated."""
    return max(tag + (charged - estimate) / weight, virtual_time - LARGEST_REFUND)


def readmitted(*, tag: float, virtual_time: float) -> float:
    """Give the tag of a lane that was held back by its owner's limit: no credit for that time."""
    return max(tag, virtual_time)


def settled(*, held: float, weight: float) -> float:
    """Give what an ended attempt adds to its tier's settled service; standby's is not counted."""
    return held / weight if weight else 0.0
