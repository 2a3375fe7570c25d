"""How a server misbehaves: the faults by name, and the seeded dice that say when they strike.

Every fault has dice of its own, so that a seed and an order of requests always give the same
faults, whatever else is switched on.
"""

from collections.abc import Mapping
from enum import StrEnum
from random import Random
from typing import Final


class Place(StrEnum):
    """Which kind of request a fault strikes."""

    SUBMIT = "submit"
    POLL = "poll"
    CONTENT = "content"
    DELETE = "delete"
    HEALTH = "health"
    OTHER = "other"


# Drawn once for each accepted generation.
OF_GENERATION: Final[Mapping[str, str]] = {
    "slow": "takes ten times as long",
    "hang": "never ends, until /_control/release",
    "failure": "fails for a reason of the server",
    "refused_content": "fails because of its content",
    "failed_as_500": "fails, and is shown with HTTP 500 around the job",
    "success_twice": "is announced as finished a second time, with another output",
    "success_then_failure": "is finished, then failed",
    "webhook_lost": "its last webhook is never sent",
    "webhook_duplicated": "its last webhook is sent five times at once",
    "webhook_early": "ends, and says so, before the create is answered",
    "webhook_late": "its last webhook waits for --late-seconds",
    "webhook_reordered": "its webhook of the start comes after its last one",
    "webhook_forged": "its last webhook has a wrong signature",
    "webhook_stale": "its last webhook was signed ten minutes ago",
    "delete_frees_nothing": "DELETE and cancel are confirmed, and the GPU works on",
    "delete_conflict": "DELETE or cancel is refused with 409 until it ends",
    "cancel_ignored": "DELETE or cancel is confirmed, and it ends as if nobody had asked",
    "unknown_status": "while it runs its status is a word that no document names",
    "null_progress": "its progress is always null",
    "no_progress": "its progress is 0 until its end",
    "faked_progress": "its progress runs to 90 within five seconds, though it waits",
    "progress_falls": "its progress begins again at 0 half way",
    "in_progress_while_queued": "is shown as running while it waits",
    "bad_result_url": "its result points somewhere that must not be fetched",
    "result_by_url": "its result has an address of its own instead of /content (sglang)",
    "no_result": "is shown as finished, and there is no result",
    "empty_result": "is shown as finished, and its file is empty",
    "page_for_result": "is shown as finished, and its file is a page of HTML that says it is not there",
}

# Drawn for each answer, everywhere or, with `_on_submit`, `_on_poll`, `_on_content`, in one place.
OF_ANSWER: Final[Mapping[str, str]] = {
    "error_500": "HTTP 500; on submit nothing was accepted",
    "garbage": "HTTP 200 with JSON that is cut off",
    "huge": "a body of up to 10 GB",
    "drip": "one byte of the body each second",
    "mute": "no answer; on submit the create is accepted",
    "wrong_content_type": "the right body as text/html",
}

# Drawn for each request of one kind.
OF_REQUEST: Final[Mapping[str, str]] = {
    "reject_402": "a create is refused because somebody must pay",
    "reject_429": "a create is refused with Retry-After",
    "reject_content": "a create is refused with 400 because of its content",
    "drop_after_accept": "a create is accepted, and the connection closed without an answer",
    "error_500_after_accept": "a create is accepted and answered with HTTP 500",
    "forget_on_poll": "404 for a generation that lives",
    "forget_on_delete": "404 to the DELETE or cancel of a generation that lives",
    "restart_on_poll": "the server restarts, and loses what its dialect loses",
    "drop_on_poll": "the connection is closed without an answer",
    "unhealthy": "HTTP 503 for a health check, where the dialect has one",
}

# An answer of 500 is thrown for before there is an answer.
_SPOILING: Final = tuple(name for name in OF_ANSWER if name != "error_500")
_STRUCK: Final = (Place.SUBMIT, Place.POLL, Place.CONTENT)
NAMES: Final = frozenset(
    [*OF_GENERATION, *OF_ANSWER, *OF_REQUEST]
    + [f"{name}_on_{place}" for name in OF_ANSWER for place in _STRUCK]
)


class UnknownFault(Exception):
    """No fault has this name, or its probability is not between 0 and 1."""


class Faults:
    """Probabilities by name, and the dice."""

    def __init__(self, seed: int, probabilities: Mapping[str, float]) -> None:
        self._seed = seed
        self._dice: dict[str, Random] = {}
        self.probabilities: dict[str, float] = {}
        self.set(probabilities)

    def set(self, probabilities: Mapping[str, float]) -> None:
        """Change some probabilities, all or none of them. Raises UnknownFault."""
        for name, probability in probabilities.items():
            if name not in NAMES:
                raise UnknownFault(f"There is no fault {name!r}.")
            if not 0 <= probability <= 1:
                raise UnknownFault(f"The probability of {name} is not between 0 and 1.")
        self.probabilities.update(probabilities)

    def strikes(self, name: str) -> bool:
        """Throw the dice of one fault."""
        probability = self.probabilities.get(name, 0.0)
        if not probability:
            return False
        if name not in self._dice:
            self._dice[name] = Random(f"{self._seed}/{name}")  # noqa: S311 - must repeat
        return self._dice[name].random() < probability

    def of_generation(self) -> frozenset[str]:
        """Throw for a new generation."""
        return frozenset(name for name in OF_GENERATION if self.strikes(name))

    def of_answer(self, place: Place) -> str | None:
        """Throw for an answer; of several faults the first named strikes."""
        if place not in _STRUCK:
            return None
        struck = [
            name
            for name in _SPOILING
            # Both dice are thrown, so that one fault does not shift the other's.
            if any([self.strikes(name), self.strikes(f"{name}_on_{place}")])
        ]
        return struck[0] if struck else None
