"""Whether the policy keeps what it promises, on several seeds: each promise, its bound, and what was found."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from scheduler.simulation import scenarios
from scheduler.simulation.engine import Engine, MakePolicy, Result, Trace
from scheduler.simulation.fair import Fair
from scheduler.simulation.fleet import TIERS
from scheduler.simulation.measures import quantile, waits
from scheduler.simulation.rivals import FirstCome

SEEDS: Final = (1, 2, 3)
_WHALE: Final = 10_000
_LOADS: Final = (1.28, 2.0, 10.0)
_CUT: Final = (3600.0, 4800.0)
_FLOOD_AT: Final = 3600.0
_PAID: Final = tuple(tier for tier, rules in TIERS.items() if rules.is_paid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A promise, its bound, what one seed gave, and whether that is within."""

    name: str
    bound: str
    found: str
    holds: bool


def claims(seed: int) -> Iterator[Claim]:
    """Play every scenario with one seed and give what came of each promise."""
    whale = _play(scenarios.whale_saturated(seed, jobs=_WHALE), seed, quotes=False)
    flood = _play(scenarios.flood(seed), seed, quotes=False)
    small = _play(scenarios.whale_saturated(seed, jobs=0, slots=8), seed, quotes=False)
    halved = {load: _play(scenarios.halved(seed, load=load), seed) for load in _LOADS}
    day = _play(scenarios.day(seed), seed)
    runs = {"whale": whale, "flood": flood, "8 slots": small, "day": day}
    runs |= {f"halved {load:g}x": run for load, run in halved.items()}
    yield from _of_whale(seed, whale)
    yield from _of_shares(whale, flood, small)
    yield from _of_lost(runs)
    yield from _of_starvation(flood, halved)
    for load, run in halved.items():
        yield from _of_halved(load, run)
    yield from _of_ranges(day)
    yield _most(
        "standby starts while a plan's job could use the slot",
        max(run.measures.before_turn for run in (*halved.values(), day)),
        0,
    )


def verify(seeds: Sequence[int], *, say: Callable[[str], None]) -> bool:
    """Say every promise with what each seed gave; true when all are kept."""
    found: dict[tuple[str, str], list[Claim]] = {}
    for seed in seeds:
        for claim in claims(seed):
            found.setdefault((claim.name, claim.bound), []).append(claim)
        say(f"seed {seed} played")
    for (name, bound), each in found.items():
        verdict = "ok " if all(claim.holds for claim in each) else "NOT"
        say(f"{verdict} {name:<66} {bound:<22} {' | '.join(claim.found for claim in each)}")
    return all(claim.holds for each in found.values() for claim in each)


def _play(trace: Trace, seed: int, make: MakePolicy = Fair, *, quotes: bool = True) -> Result:
    return Engine(trace, make, seed=seed, quotes=quotes).run()


def _most(name: str, found: float, bound: float, unit: str = "") -> Claim:
    return Claim(
        name=name, bound=f"at most {bound:g}{unit}", found=f"{found:g}", holds=found <= bound
    )


def _least(name: str, found: float, bound: float) -> Claim:
    return Claim(name=name, bound=f"at least {bound:g}", found=f"{found:g}", holds=found >= bound)


def _p95(run: Result, tier: str, *, since: float, until: float, conforming: bool) -> float:
    found = waits(
        run.jobs, tier, since=since, until=until, now=run.trace.until, conforming=conforming
    )
    return quantile(found, 0.95) or 0.0


def _conforming(run: Result, tier: str) -> float:
    return _p95(run, tier, since=run.trace.warm, until=run.trace.until, conforming=True)


def _of_whale(seed: int, whale: Result) -> Iterator[Claim]:
    one = scenarios.whale_saturated(seed, jobs=0)
    base = _play(one, seed, quotes=False)
    for tier in TIERS:
        growth = _conforming(whale, tier) / max(_conforming(base, tier), 0.1)
        yield _most(f"whale, saturated: p95 of {tier} beside one job", round(growth, 3), 1.2, " x")
    first_come = [
        _conforming(
            _play(scenarios.whale_saturated(seed, jobs=jobs), seed, FirstCome, quotes=False), "pro"
        )
        for jobs in (0, _WHALE)
    ]
    growth = round(first_come[1] / first_come[0], 1)
    yield Claim(
        name="whale, saturated: first come first served fails the same",
        bound="more than 1.2 x",
        found=f"{growth:g}",
        holds=growth > 1.2,
    )
    calm, beside = (_play(scenarios.whale_open(seed, jobs=jobs), seed) for jobs in (0, _WHALE))
    for tier in _PAID:
        before, after = _conforming(calm, tier), _conforming(beside, tier)
        yield Claim(
            name=f"whale, load 0.85 with limits: p95 of {tier}",
            bound="1.5 x before + 5 s",
            found=f"{before:g} to {after:g} s",
            holds=after <= 1.5 * before + 5,
        )


def _of_shares(whale: Result, flood: Result, small: Result) -> Iterator[Claim]:
    for slots, run in ((80, whale), (40, flood), (8, small)):
        worst, windows = run.measures.worst_window()
        name = f"shares: worst of {windows // 10 * 10}+ windows of 10 min, {slots} slots"
        yield _most(name, worst, 3.0, " pp")
    yield _least("Jain's index, worst tier", min(whale.measures.jain().values()), 0.98)


def _of_lost(runs: dict[str, Result]) -> Iterator[Claim]:
    lost = max(run.measures.lost / run.measures.capacity for run in runs.values())
    yield _most("lost slot time, worst scenario", round(100 * lost, 3), 1.0, " %")


def _of_starvation(flood: Result, halved: dict[float, Result]) -> Iterator[Claim]:
    yield _most(
        "starvation: longest time without a start of free, 40 slots",
        flood.measures.longest_gap("free"),
        120.0,
        " s",
    )
    for tier in ("pro", "free"):
        yield _most(
            f"no hoarding: longest time without a start of {tier} after the flood",
            flood.measures.longest_gap(tier, since=_FLOOD_AT),
            60.0,
            " s",
        )
    # What may wait, over what its weight's part of half the slots makes of it.
    bound = 2 * (TIERS["free"].bound_seconds or 0.0)
    for load, run in halved.items():
        oldest = run.measures.oldest_head["free"]
        yield _most(f"starvation: oldest head of free, halved {load:g}x", oldest, bound, " s")


def _of_halved(load: float, run: Result) -> Iterator[Claim]:
    for tier in _PAID:
        promise = TIERS[tier].promise_seconds or 0.0
        p95 = _p95(run, tier, since=_CUT[0], until=_CUT[1], conforming=False)
        yield _most(f"halved, load {load:g}x: p95 of accepted {tier}", p95, promise, " s")
    door = run.door or {}
    yield _most(f"halved, load {load:g}x: fullest line at an accept", door["fullest"], 1.0)
    name = f"halved, load {load:g}x: Retry-After right, of those who came back"
    yield _least(name, door["right"] or 0.0, 0.8)


def _of_ranges(day: Result) -> Iterator[Claim]:
    ranges = day.ranges or {}
    yield _least("ranges, a day: starts inside an 80 % range", ranges["overall"], 0.8)
    for tier in TIERS:
        yield _told(f"ranges, a day: {tier}", ranges["by_tier"][tier])
    for number, label in enumerate(_BUCKETS):
        share = ranges["by_bucket"][str(number)]
        width = ranges["width_by_bucket"][str(number)]
        yield _told(f"ranges, a day: told {label}: share, width by point", f"{share}, {width}")
    for span, (share, width) in ranges["around_cut"].items():
        yield _told(f"ranges, told {span} from the cut: share, width", f"{share}, {width}")


_BUCKETS: Final = ("< 3 s", "3-12 s", "12-40 s", "40-120 s", "2-7 min", "7-20 min", "> 20 min")


def _told(name: str, found: object) -> Claim:
    return Claim(name=name, bound="reported", found=f"{found}", holds=True)
