"""What another capacity would mean for those who wait, before an operator confirms it. Writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from jobs import kinds, waiting
from jobs.models import Tier
from jobs.requests import STANDBY
from scheduler import admission, lines
from scheduler.admission import Foreseen
from scheduler.lines import Arrivals
from scheduler.waiting import Capacities, drains

_NEVER = Foreseen(wait=0.0, is_closed=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A tier now, and with the other capacity; of its lines the one that would wait longest."""

    tier: str
    now: Foreseen
    then: Foreseen


def foresee(slots: Mapping[str, int]) -> list[Outcome]:
    """Say what each tier would feel with so many slots in these pools, highest tier first."""
    rows, now = lines.read(standby=STANDBY)
    arrivals, capacities = Arrivals(), Capacities()
    arrivals.read(now)
    capacities.read(kinds.by_pool(), now=now)
    found: dict[str, tuple[Foreseen, Foreseen]] = {}
    drains_now = drains(rows, arrivals, capacities.slots())
    drains_then = drains(rows, arrivals, capacities.slots(slots))
    for row in rows:
        if row.tier == STANDBY or not capacities.of_kind(row.kind).pools:
            continue
        both = [
            admission.foresee(
                work=row.waiting,
                drain=drain.get(row.id, 0.0),
                bound=row.bound_seconds,
                arriving=arrivals.rate(row.id),
            )
            for drain in (drains_now, drains_then)
        ]
        before = found.get(row.tier, (_NEVER, _NEVER))
        found[row.tier] = (
            max(before[0], both[0], key=_weight),
            max(before[1], both[1], key=_weight),
        )
    order = Tier.objects.order_by("-rank").values_list("name", flat=True)
    return [
        Outcome(tier=tier, now=found[tier][0], then=found[tier][1])
        for tier in order
        if tier in found
    ]


def _weight(foreseen: Foreseen) -> tuple[bool, float]:
    return foreseen.is_closed, inf if foreseen.wait is None else foreseen.wait


def in_words(foreseen: Foreseen) -> str:
    """Say it in a few words: "waits 20 s", "waits 3 min, closes in 5 min", "closed"."""
    if foreseen.wait is None:
        return "closed" if foreseen.is_closed else "waits until there are slots again"
    if foreseen.is_closed:
        return "closed"
    said = f"waits {waiting.about(foreseen.wait)}" if foreseen.wait >= 1 else "starts at once"
    if foreseen.closes_in is not None:
        said += f", closes in {waiting.about(foreseen.closes_in)} if as much comes as now"
    return said
