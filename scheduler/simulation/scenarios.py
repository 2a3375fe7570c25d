"""The four scenarios: a day, a whale, halved capacity, a flood after an idle hour."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi
from random import Random
from typing import Final

from scheduler.simulation.engine import Trace
from scheduler.simulation.fleet import TIERS, Change, Fleet, Rules, unlimited
from scheduler.simulation.trace import MEAN_RUN, Call, Owners, arrivals, call, merged

_HOUR: Final = 3600.0
_DAY: Final = 24 * _HOUR
_ONE_POOL: Final = (("main", 40, "k"),)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Owners of a tier: the number of the first, how many."""

    first: int
    count: int


CROWDS: Final = {
    "enterprise": Crowd(1, 40),
    "pro": Crowd(1_000, 400),
    "free": Crowd(100_000, 4_000),
}


def open_calls(
    random: Random,
    *,
    rates: Mapping[str, Callable[[float], float]],
    until: float,
    crowds: Mapping[str, Crowd] = CROWDS,
    exponent: float = 1.1,
    kinds: Sequence[tuple[str, float]] = (("k", 1.0),),
) -> list[Call]:
    """Draw calls of every tier that come whatever the system does."""
    names, shares = [name for name, _ in kinds], [share for _, share in kinds]
    calls = []
    for tier, rate in rates.items():
        crowd = crowds[tier]
        owners = Owners(random, first=crowd.first, count=crowd.count, exponent=exponent)
        for at in arrivals(random, rate=rate, until=until):
            kind = random.choices(names, shares)[0] if len(names) > 1 else names[0]
            calls.append(call(random, at=at, owner=owners.draw(), tier=tier, kind=kind))
    return calls


def endless_calls(
    random: Random, *, tiers: Mapping[str, Rules], owners: int, larger: float
) -> list[Call]:
    """Draw owners who always have two jobs waiting; every second one's jobs are so much larger."""
    first = 10_000_000
    calls = []
    for rank, tier in enumerate(tiers):
        for number in range(owners):
            calls += [
                call(
                    random,
                    at=0.0,
                    owner=first + 1000 * rank + number,
                    tier=tier,
                    larger=larger if number % 2 else 1.0,
                    is_endless=True,
                )
                for _ in range(2)
            ]
    return calls


# What part of the slots each tier asks for where they are not all taken: who pays stays below its weight.
_LIVELY: Final = {"enterprise": 0.25, "pro": 0.25, "free": 0.35}


def weighted_rates(load: float, slots: int) -> dict[str, float]:
    """Give each tier's calls a second so that its weight's part of a load arrives."""
    total = sum(rules.weight for rules in TIERS.values())
    return {tier: load * slots * rules.weight / total / MEAN_RUN for tier, rules in TIERS.items()}


def _steady(rates: Mapping[str, float]) -> dict[str, Callable[[float], float]]:
    def always(rate: float) -> Callable[[float], float]:
        return lambda _: rate

    return {tier: always(rate) for tier, rate in rates.items()}


def whale_saturated(
    seed: int, *, jobs: int, slots: int = 80, hours: float = 3.0, whale_tier: str = "pro"
) -> Trace:
    """All slots always wanted by owners who never stop; light owners come now and then; one is a whale.

    With no jobs the whale's owner has one job waiting at all times.
    """
    random = Random(f"whale {seed}")
    until = hours * _HOUR
    crowds = {tier: Crowd(crowd.first, 100 * crowd.count) for tier, crowd in CROWDS.items()}
    light = open_calls(
        random,
        rates=_steady(weighted_rates(0.3, slots)),
        until=until,
        crowds=crowds,
        exponent=0.0,
    )
    heavy = endless_calls(random, tiers=TIERS, owners=6, larger=3.0)
    return Trace(
        calls=merged(light + heavy + _whale(random, jobs=jobs, tier=whale_tier, at=600.0)),
        fleet=Fleet(pools=(("main", slots, "k"),), tiers=unlimited(TIERS), has_door=False),
        until=until,
        warm=1200.0,
    )


_WHALE: Final = 7_777_777


def _whale(random: Random, *, jobs: int, tier: str, at: float) -> list[Call]:
    if not jobs:
        return [call(random, at=at, owner=_WHALE, tier=tier, is_endless=True)]
    return [
        call(random, at=at + number * 0.002, owner=_WHALE, tier=tier)._replace(obeys=False)
        for number in range(jobs)
    ]


def whale_open(seed: int, *, jobs: int, slots: int = 40, hours: float = 4.0) -> Trace:
    """A load of 0.85 with the limits of plans, and a whale who submits to the end whatever is refused.

    Paid tiers ask for less than their weight; what they leave, unpaid callers and the whale take.
    """
    random = Random(f"open whale {seed}")
    until = hours * _HOUR
    calls = []
    for tier, part in _LIVELY.items():
        at, crowd = 0.0, CROWDS[tier]
        while (at := at + random.expovariate(part * slots / MEAN_RUN)) < until:
            owner = crowd.first + random.randrange(25 * crowd.count)
            calls.append(call(random, at=at, owner=owner, tier=tier))
    whale = Random(f"whale itself {seed}")
    calls += [
        call(whale, at=600 + number * (until - 600) / jobs, owner=_WHALE, tier="pro")._replace(
            obeys=False
        )
        for number in range(jobs)
    ]
    return Trace(
        calls=merged(calls),
        fleet=Fleet(pools=(("main", slots, "k"),)),
        until=until,
        warm=1200.0,
    )


def halved(
    seed: int, *, load: float, cut: bool = True, hours: float = 3.0, slots: int = 40
) -> Trace:
    """A peak of so many times the capacity for 80 minutes, in which it is halved for 20."""
    random = Random(f"halved {seed} {load}")
    rates = weighted_rates(1.0, slots)

    def shape(tier: str) -> Callable[[float], float]:
        # Unpaid callers come three times as many as their share in the peak.
        factor = 3.0 if tier == "free" else 1.0
        return lambda now: rates[tier] * (load * factor if 1800 <= now < 6600 else min(0.6, load))

    return Trace(
        calls=merged(
            open_calls(random, rates={tier: shape(tier) for tier in TIERS}, until=hours * _HOUR)
        ),
        fleet=Fleet(
            pools=(("main", slots, "k"),),
            changes=(
                Change(at=3600.0, pool="main", slots=slots // 2),
                Change(at=4800.0, pool="main", slots=slots),
            )
            if cut
            else (),
        ),
        until=hours * _HOUR,
        warm=600.0,
    )


def flood(seed: int, *, idle: bool = True, hours: float = 2.0) -> Trace:
    """Enterprise uses a twentieth of its share for an hour, then fifty of its owners flood."""
    random = Random(f"flood {seed}")
    until = hours * _HOUR
    rare = weighted_rates(0.05, 40)["enterprise"] if idle else 0.0
    calls = open_calls(random, rates={"enterprise": lambda _: rare}, until=_HOUR, exponent=0.0)
    busy = {tier: rules for tier, rules in TIERS.items() if tier != "enterprise"}
    calls += endless_calls(random, tiers=busy, owners=20, larger=1.0)
    calls += [
        call(random, at=_HOUR + 0.01 * number, owner=2_000_000 + number % 50, tier="enterprise")
        for number in range(4000)
    ]
    fleet = Fleet(pools=_ONE_POOL, tiers=unlimited(TIERS), has_door=False)
    return Trace(calls=merged(calls), fleet=fleet, until=until, warm=600.0)


def day(seed: int, *, scale: float = 1 / 20) -> Trace:
    """A million users, a job each: quiet nights, a long evening, and five minutes at the peak rate.

    Three pools that overlap, one of which fails every tenth attempt for an hour; a third of the slots
    is lost for forty minutes in the evening.
    """
    random = Random(f"day {seed}")
    users = 1_000_000 * scale
    crowds = {
        "enterprise": Crowd(1, max(1, round(users * 0.01))),
        "pro": Crowd(1_000_000, max(1, round(users * 0.09))),
        "free": Crowd(2_000_000, max(1, round(users * 0.9))),
    }
    # Jobs of a tier in the day, and what part of the peak of 1,000 a second it is.
    parts = {"enterprise": 0.45, "pro": 0.3, "free": 0.25}
    spike = {"enterprise": 0.01, "pro": 0.09, "free": 0.9}
    peak = 1000.0 * scale

    def shape(tier: str) -> Callable[[float], float]:
        base = users * parts[tier] / _DAY

        def rate(now: float) -> float:
            hour = 1 - 0.65 * cos(2 * pi * (now / _HOUR - 6.0) / 24)
            in_spike = 19.5 * _HOUR <= now < 19.5 * _HOUR + 300
            # Bursts are divided out: the spike is as high as it is said to be.
            return base * hour + (peak * spike[tier] / 2.5 if in_spike else 0.0)

        return rate

    def slots(share: float) -> int:
        return max(2, round(share * 44 * scale * 20))

    return Trace(
        calls=merged(
            open_calls(
                random,
                rates={tier: shape(tier) for tier in TIERS},
                until=_DAY,
                crowds=crowds,
                kinds=(("k", 0.7), ("l", 0.3)),
            )
        ),
        fleet=Fleet(
            pools=(
                ("large", slots(0.55), "k"),
                ("mixed", slots(0.3), "k l"),
                ("small", slots(0.15), "l"),
            ),
            changes=(
                Change(at=10 * _HOUR, pool="small", failing=0.1),
                Change(at=11 * _HOUR, pool="small", failing=0.0),
                Change(at=18 * _HOUR, pool="large", slots=slots(0.55) // 3),
                Change(at=18 * _HOUR + 2400, pool="large", slots=slots(0.55)),
            ),
        ),
        until=_DAY,
        warm=600.0,
    )
