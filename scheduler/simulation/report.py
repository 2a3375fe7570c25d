"""Runs a scenario under every policy that is compared, and gives its figures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scheduler.simulation import scenarios
from scheduler.simulation.engine import Engine, MakePolicy, Result, Trace
from scheduler.simulation.fair import Fair
from scheduler.simulation.fleet import TIERS
from scheduler.simulation.measures import quantile, waits
from scheduler.simulation.rivals import FirstCome, OwnersInTurn, StrictTiers

_ALL: Final[tuple[MakePolicy, ...]] = (Fair, FirstCome, StrictTiers, OwnersInTurn)
_WHALE_JOBS: Final = 10_000
# In one scenario capacity is halved from here to there, seconds.
_CUT: Final = (3600.0, 4800.0)
_BEFORE_CUT: Final = (2400.0, 3600.0)
_FLOOD_AT: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Report:
    """Figures for people and tests, and the runs behind them, by name."""

    figures: dict[str, Any]
    runs: Mapping[str, Result]


def play(scenario: str, *, seed: int, full: bool = False) -> Report:
    """Run a scenario."""
    runs, more = _SCENARIOS[scenario](seed, full)
    return Report(figures=_figures(scenario, seed, runs, more), runs=runs)


def _run(trace: Trace, make: MakePolicy, seed: int, *, quotes: bool = True) -> Result:
    return Engine(trace, make, seed=seed, quotes=quotes).run()


def _compared(trace: Trace, seed: int) -> dict[str, Result]:
    return {make.name: _run(trace, make, seed) for make in _ALL}  # type: ignore[attr-defined]  # all are classes


Made = tuple[dict[str, Result], dict[str, Any]]


def _day(seed: int, full: bool) -> Made:
    trace = scenarios.day(seed, scale=1.0) if full else scenarios.day(seed)
    return _compared(trace, seed), {"calls": len(trace.calls)}


def _whale(seed: int, full: bool) -> Made:
    without = scenarios.whale_saturated(seed, jobs=0)
    beside = scenarios.whale_saturated(seed, jobs=_WHALE_JOBS)
    runs = _compared(beside, seed)
    base = {f"{name} without": run for name, run in _compared(without, seed).items()}
    growth = {
        name: _growth(base[f"{name} without"], runs[name]) for name in runs if name != "strict"
    }
    open_ = {
        name: _run(scenarios.whale_open(seed, jobs=jobs), Fair, seed)
        for name, jobs in (("open without", 0), ("open", _WHALE_JOBS))
    }
    at_085 = {
        tier: (_p95(open_["open without"], tier), _p95(open_["open"], tier)) for tier in TIERS
    }
    more = {
        "others_p95_growth": growth["fair"]["worst"],
        "growth": growth,
        "at_load_0.85": at_085,
        "at_load_0.85_holds": all(
            after <= 1.5 * before + 5
            for tier, (before, after) in at_085.items()
            # Unpaid callers live on what the others leave, which the whale may take as well.
            if TIERS[tier].is_paid
        ),
    }
    return runs | base | open_, more


def _p95(run: Result, tier: str) -> float:
    found = waits(
        run.jobs,
        tier,
        since=run.trace.warm,
        until=run.trace.until,
        now=run.trace.until,
        conforming=True,
    )
    return quantile(found, 0.95) or 0.0


def _growth(before: Result, after: Result) -> dict[str, float]:
    found = {tier: round(_p95(after, tier) / max(_p95(before, tier), 0.1), 3) for tier in TIERS}
    return found | {"worst": max(found.values())}


def _halved(seed: int, full: bool) -> Made:
    loads = (1.28, 2.0, 10.0)
    runs = _compared(scenarios.halved(seed, load=loads[0]), seed)
    for load in loads[1:]:
        runs[f"fair {load:g}x"] = _run(scenarios.halved(seed, load=load), Fair, seed)
    cut = {name: _spans(run) for name, run in runs.items()}
    promised = {tier: rules.promise_seconds for tier, rules in TIERS.items()}
    holds = all(
        (cut[name]["halved"][tier] or 0.0) <= promise
        for name in cut
        if name.startswith("fair")
        for tier, promise in promised.items()
        if promise is not None
    )
    return runs, {"p95_by_span": cut, "promises": promised, "promises_hold": holds}


def _spans(run: Result) -> dict[str, dict[str, float | None]]:
    return {
        name: {
            tier: quantile(
                waits(run.jobs, tier, since=since, until=until, now=run.trace.until), 0.95
            )
            for tier in TIERS
        }
        for name, (since, until) in {"before": _BEFORE_CUT, "halved": _CUT}.items()
    }


def _flood(seed: int, full: bool) -> Made:
    trace = scenarios.flood(seed)
    runs = _compared(trace, seed)
    after = {
        name: {
            tier: run.measures.longest_gap(tier, since=_FLOOD_AT)
            for tier in TIERS
            if tier != "enterprise"
        }
        for name, run in runs.items()
    }
    never_idle = _run(scenarios.flood(seed, idle=False), Fair, seed)
    return runs, {
        "longest_gap_after_flood": after,
        "longest_gap_without_idle_hour": {
            tier: never_idle.measures.longest_gap(tier, since=_FLOOD_AT)
            for tier in TIERS
            if tier != "enterprise"
        },
    }


_SCENARIOS: Final[Mapping[str, Callable[[int, bool], Made]]] = {
    "day": _day,
    "whale": _whale,
    "halved": _halved,
    "flood": _flood,
}
NAMES: Final = tuple(_SCENARIOS)


def _figures(
    scenario: str, seed: int, runs: Mapping[str, Result], more: dict[str, Any]
) -> dict[str, Any]:
    policies = {name: _of_run(run) for name, run in runs.items()}
    fair = policies["fair"]
    ranges, door = fair["ranges"], fair["door"]
    return {
        "scenario": scenario,
        "seed": seed,
        "others_p95_growth": None,
        "jain": fair["jain"],
        "utilisation": fair["utilisation"],
        "lost_slot_time": fair["lost_slot_time"],
        "worst_window_pp": fair["worst_window_pp"],
        "tiers": fair["tiers"],
        "calibration": ranges["overall"] if ranges else None,
        "retry_after_right": door["right"] if door else None,
        "policies": policies,
    } | more


def _of_run(run: Result) -> dict[str, Any]:
    measures = run.measures
    window, windows = measures.worst_window()
    return {
        "jobs": len(run.jobs),
        "expired": run.expired,
        "standby_before_turn": measures.before_turn,
        "utilisation": round(measures.used / measures.capacity, 4),
        "lost_slot_time": round(measures.lost / measures.capacity, 6),
        "jain": measures.jain(),
        "worst_window_pp": window if windows else None,
        "windows": windows,
        "longest_gap": {tier: measures.longest_gap(tier) for tier in run.trace.fleet.tiers},
        "oldest_head": {tier: round(age) for tier, age in measures.oldest_head.items()},
        "tiers": {tier: _waits_of(run, tier) for tier in run.trace.fleet.tiers},
        "door": run.door,
        "ranges": run.ranges,
    }


def _waits_of(run: Result, tier: str) -> dict[str, float | int | None]:
    found = waits(run.jobs, tier, since=run.trace.warm, until=run.trace.until, now=run.trace.until)
    return {
        "jobs": len(found),
        "p50": quantile(found, 0.5),
        "p95": quantile(found, 0.95),
        "p99": quantile(found, 0.99),
        "conforming_p95": _p95(run, tier),
    }
