"""Valid cases that reach something: what a schema cannot say (models, days, ids that are there) is put in its place.

A schema says that a model is a text and an id a UUID; nearly every text and UUID is then refused at the first check.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from schemathesis import Case

# So many valid cases go as the schema made them.
_AS_MADE: Final = 0.2
_ADDRESS: Final = "https://hooks.example/videos"


class Owner(Protocol):
    """Whose things a case is about."""

    @property
    def jobs(self) -> Sequence[str]:
        """Give ids of jobs."""

    @property
    def batch(self) -> str:
        """Give the id of a batch."""


# By the name of a field or parameter; None leaves it out.
_KNOWN: Final[Mapping[str, Callable[[Owner], Sequence[Any]]]] = {
    "model": lambda _: ("preview", None),
    "seconds": lambda _: (2, 4, "4", None),
    "size": lambda _: ("854x480", "1280x720", None),
    "seed": lambda _: (0, 2**32 - 1, "7", None),
    "start_within": lambda _: (10, 604_800, None),
    "finish_within": lambda _: (3_600, None),
    "standby": lambda _: (True, "true", False, None),
    "input_reference": lambda _: (None,),
    "ids": lambda owner: ([owner.jobs[0]], list(owner.jobs)),
    "batch": lambda owner: (owner.batch, None),
    "day": lambda _: ("today", "2026-03-29", "2026-10-25", None),
    "tz": lambda _: ("Europe/Lisbon", "Australia/Lord_Howe", None),
    "status": lambda _: ("live", "ended", "queued,running", None),
    "fields": lambda _: ("id,state", "waiting,credits", None),
    "cursor": lambda _: (None,),
    "after": lambda _: (0, 1, None),
    "Last-Event-ID": lambda _: ("0", "2", None),
    "up_to": lambda _: (0, 10, 2**40),
    "name": lambda _: ("A phone",),
    "expires_at": lambda _: ("2030-01-01T00:00:00Z", None),
    "overlap_hours": lambda _: (0, 24, None),
    "keep_old_seconds": lambda _: (0, 60),
    "url": lambda _: (_ADDRESS,),
}


def aim(case: Case[Any], owner: Owner, chance: random.Random) -> None:
    """Let a valid case name what there is, in place."""
    if chance.random() < _AS_MADE:
        return
    for part in (case.query, case.headers, case.body):
        _put(part, owner, chance)


def _put(part: Any, owner: Owner, chance: random.Random) -> None:
    if isinstance(part, list):
        for each in part:
            _put(each, owner, chance)
        return
    if not hasattr(part, "keys"):
        return
    for name in list(part.keys()):
        if name in _KNOWN:
            value = chance.choice(_KNOWN[name](owner))
            if value is None:
                del part[name]
            else:
                part[name] = value
        else:
            _put(part[name], owner, chance)
