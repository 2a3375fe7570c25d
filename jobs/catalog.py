"""Which models are offered, and how: read from the pools, kept for a moment in each process."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from jobs import kinds, known_pools
from jobs.errors import InvalidField
from jobs.models import Pool
from jobs.remembered import Remembered

# How long a process may offer what pools no longer have, seconds.
_FRESH_FOR: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One model: the lengths (seconds) and sizes (WIDTHxHEIGHT) that some pool of it can make."""

    model: str
    seconds: tuple[int, ...]
    sizes: tuple[str, ...]
    # The kind of jobs of each length and size that can be had together.
    kinds: Mapping[tuple[int, str], str]
    credits_per_second: int
    # Estimated GPU-seconds for one second of 854x480 video.
    speed: float
    # Whether a video may begin from an image, and whether a finished one can be changed.
    takes_image: bool = False
    can_remix: bool = False
    # Unix seconds since when it is offered as it is.
    since: int = 0

    def sizes_at(self, seconds: int) -> tuple[str, ...]:
        """Give the sizes that can be had at a length."""
        return tuple(size for size in self.sizes if (seconds, size) in self.kinds)


def offers() -> dict[str, Offer]:
    """Give every offered model by name, at most two seconds old."""
    return _offers.value()


def offer(model: str) -> Offer:
    """Find one model. Raises InvalidField that names the ones there are."""
    found = offers()
    if model not in found:
        known = ", ".join(sorted(found)) or "none at the moment"
        raise InvalidField("model", f"There is no model {model[:64]!r}. Available: {known}.")
    return found[model]


def _read() -> dict[str, Offer]:
    pools = known_pools.read()
    gathered: dict[str, list[Pool]] = {}
    for pool in pools:
        for model in pool.model_names:
            gathered.setdefault(model, []).append(pool)
    offered: dict[str, dict[tuple[int, str], str]] = {model: {} for model in gathered}
    for (model, seconds, size), names in kinds.makers(pools).items():
        offered[model][seconds, size] = kinds.name_of(names)
    return {
        model: Offer(
            model=model,
            seconds=tuple(sorted({length for pool in makers for length in pool.seconds})),
            sizes=tuple(dict.fromkeys(size for pool in makers for size in pool.sizes)),
            kinds=offered[model],
            credits_per_second=max(pool.credits_per_second for pool in makers),
            speed=min(pool.declared_speed for pool in makers),
            takes_image=all(pool.image_input for pool in makers),
            # A server changes only what it made itself, and a job may be granted to any of them.
            can_remix=all(pool.can_remix and (not pool.url or len(makers) == 1) for pool in makers),
            since=int(min(pool.state_since for pool in makers).timestamp()),
        )
        for model, makers in gathered.items()
    }


_offers: Final = Remembered(_read, fresh_for=_FRESH_FOR)


def forget() -> None:
    """Read the pools again at the next question."""
    _offers.forget()
