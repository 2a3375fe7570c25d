"""Which models are offered, and how: read from the pools, kept for a moment in each process."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from jobs.errors import InvalidField
from jobs.models import Pool

Value = TypeVar("Value", int, str)

# How long a process may offer what pools no longer have, seconds.
_FRESH_FOR: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model: the lengths (seconds) and sizes (WIDTHxHEIGHT) that all its pools can make."""

    model: str
    seconds: tuple[int, ...]
    sizes: tuple[str, ...]
    credits_per_second: int
    # Estimated GPU-seconds for one second of 854x480 video.
    speed: float
    # Whether a video may begin from an image, and whether a finished one can be changed.
    takes_image: bool = False
    can_remix: bool = False
    # Unix seconds since when it is offered as it is.
    since: int = 0


_cache: tuple[float, dict[str, Offer]] = (float("-inf"), {})


def offers() -> dict[str, Offer]:
    """Give every offered model by name, at most two seconds old."""
    global _cache  # noqa: PLW0603 - one value per process, replaced whole
    read_at, found = _cache
    if time.monotonic() - read_at > _FRESH_FOR:
        found = _read()
        _cache = (time.monotonic(), found)
    return found


def offer(model: str) -> Offer:
    """Find one model. Raises InvalidField that names the ones there are."""
    found = offers()
    if model not in found:
        known = ", ".join(sorted(found)) or "none at the moment"
        raise InvalidField("model", f"There is no model {model[:64]!r}. Available: {known}.")
    return found[model]


def _read() -> dict[str, Offer]:
    gathered: dict[str, list[Pool]] = {}
    for pool in Pool.objects.order_by("name"):
        for model in pool.model_names:
            gathered.setdefault(model, []).append(pool)
    return {
        model: Offer(
            model=model,
            # What every pool of the model can make: a job may be granted a slot of any of them.
            seconds=tuple(sorted(common(pool.seconds for pool in pools))),
            sizes=tuple(common(pool.sizes for pool in pools)),
            credits_per_second=max(pool.credits_per_second for pool in pools),
            speed=min(pool.declared_speed for pool in pools),
            takes_image=all(pool.image_input for pool in pools),
            # A server changes only what it made itself, and a job may be granted to any of them.
            can_remix=all(pool.can_remix and (not pool.url or len(pools) == 1) for pool in pools),
            since=int(min(pool.state_since for pool in pools).timestamp()),
        )
        for model, pools in gathered.items()
    }


def common(offered: Iterable[Sequence[Value]]) -> list[Value]:
    """Give what all offer, in the order of the first."""
    first, *others = offered
    return [one for one in dict.fromkeys(first) if all(one in other for other in others)]


def forget() -> None:
    """Read the pools again at the next question."""
    global _cache  # noqa: PLW0603 - one value per process, replaced whole
    _cache = (float("-inf"), {})
