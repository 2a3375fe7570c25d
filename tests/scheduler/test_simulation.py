"""What the policy promises, shown on simulated hours; bin/simulate plays the long versions."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jobs.seeds import TIERS as SEEDED
from scheduler.simulation import plots, report, scenarios
from scheduler.simulation.engine import Engine, Result
from scheduler.simulation.fair import Fair
from scheduler.simulation.fleet import STANDBY, TIERS
from scheduler.simulation.measures import quantile, waits
from scheduler.simulation.rivals import FirstCome

SEEDS = (1, 2, 3)
ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def _halved(seed: int, load: float) -> Result:
    return Engine(scenarios.halved(seed, load=load, hours=2.0), Fair, seed=seed).run()


@cache
def _whale(seed: int, jobs: int, make: Any = Fair) -> Result:
    trace = scenarios.whale_saturated(seed, jobs=jobs, hours=1.5)
    return Engine(trace, make, seed=seed, quotes=False).run()


@cache
def _open_whale(seed: int, jobs: int) -> Result:
    return Engine(scenarios.whale_open(seed, jobs=jobs), Fair, seed=seed).run()


@cache
def _flood(seed: int) -> Result:
    return Engine(scenarios.flood(seed), Fair, seed=seed, quotes=False).run()


def _p95(
    run: Result, tier: str, *, since: float = 1200.0, until: float = 1e9, all_: bool = False
) -> float:
    found = waits(
        run.jobs, tier, since=since, until=until, now=run.trace.until, conforming=not all_
    )
    return quantile(found, 0.95) or 0.0


def test_the_simulated_tiers_are_those_that_are_seeded() -> None:
    seeded = {row["name"]: row for row in SEEDED}

    for name, rules in TIERS.items():
        row = seeded[name]
        assert (rules.weight, rules.rank) == (row["weight"], row["rank"])
        assert (rules.running_limit, rules.queued_limit) == (
            row["running_limit"],
            row["queued_limit"],
        )
        assert (rules.bound_seconds, rules.promise_seconds) == (
            row["door_bound_seconds"],
            row["start_promise_seconds"],
        )


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [Engine(scenarios.halved(4, load=2.0, hours=1.0), Fair, seed=4).run() for _ in range(2)]

    assert runs[0].ranges == runs[1].ranges
    assert runs[0].door == runs[1].door
    assert [job.started_at for job in runs[0].jobs] == [job.started_at for job in runs[1].jobs]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whale_of_ten_thousand_jobs_delays_nobody(seed: int) -> None:
    for tier in TIERS:
        before, after = _p95(_whale(seed, 0), tier), _p95(_whale(seed, 10_000), tier)
        assert after <= 1.2 * before


def test_first_come_first_served_fails_where_a_whale_comes() -> None:
    before = _p95(_whale(1, 0, FirstCome), "pro")
    after = _p95(_whale(1, 10_000, FirstCome), "pro")

    assert after > 10 * before


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whale_within_its_limits_hardly_slows_a_system_that_is_not_full(seed: int) -> None:
    for tier in ("enterprise", "pro"):
        before, after = _p95(_open_whale(seed, 0), tier), _p95(_open_whale(seed, 10_000), tier)
        assert after <= 1.5 * before + 5


@pytest.mark.parametrize("seed", SEEDS)
def test_tiers_get_their_weight_in_every_ten_minutes(seed: int) -> None:
    for run in (_whale(seed, 10_000), _flood(seed)):
        worst, windows = run.measures.worst_window()
        assert windows > 20
        assert worst <= 3.0


@pytest.mark.parametrize("seed", SEEDS)
def test_owners_of_a_tier_get_the_same_time_whatever_the_size_of_their_jobs(seed: int) -> None:
    for index in _whale(seed, 10_000).measures.jain().values():
        assert index >= 0.98


@pytest.mark.parametrize("seed", SEEDS)
def test_no_slot_time_is_lost(seed: int) -> None:
    for run in (_whale(seed, 10_000), _flood(seed), _halved(seed, 10.0)):
        assert run.measures.lost <= 0.01 * run.measures.capacity


@pytest.mark.parametrize("seed", SEEDS)
def test_unpaid_jobs_go_on_starting_in_a_flood(seed: int) -> None:
    assert _flood(seed).measures.longest_gap("free") < 120.0


@pytest.mark.parametrize("seed", SEEDS)
def test_an_hour_of_little_use_gives_no_credit_for_a_flood(seed: int) -> None:
    for tier in ("pro", "free"):
        assert _flood(seed).measures.longest_gap(tier, since=3600.0) < 60.0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("load", [1.28, 10.0])
def test_promises_hold_while_half_the_capacity_is_gone(seed: int, load: float) -> None:
    run = _halved(seed, load)

    for tier, rules in TIERS.items():
        if rules.promise_seconds is not None:
            p95 = _p95(run, tier, since=3600.0, until=4800.0, all_=True)
            assert p95 <= rules.promise_seconds


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("load", [1.28, 10.0])
def test_what_waits_stays_within_its_bound_and_refusals_name_true_times(
    seed: int, load: float
) -> None:
    door = _halved(seed, load).door

    assert door is not None
    assert door["fullest"] <= 1.0
    assert door["returned"] > 100
    assert door["right"] >= 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_starts_lie_in_the_ranges_that_were_told(seed: int) -> None:
    for load in (1.28, 10.0):
        ranges = _halved(seed, load).ranges
        assert ranges is not None
        assert ranges["overall"] >= 0.8


def test_accepted_jobs_start_or_expire() -> None:
    run = _halved(1, 10.0)

    for job in run.jobs:
        if job.call.tier == STANDBY:
            continue
        is_over = job.started_at is not None or job.expired_at is not None
        assert is_over or run.trace.until - job.submitted_at < 1810
        if job.expired_at is not None:
            assert job.call.tier == "free"


def test_standby_runs_only_where_nothing_of_a_plan_could_and_expires() -> None:
    run = _halved(1, 1.28)

    standby = [job for job in run.jobs if job.call.tier == STANDBY]
    assert any(job.started_at for job in standby)
    assert any(job.expired_at for job in standby)
    assert run.measures.before_turn == 0


def test_a_flaky_pool_loses_no_job_and_charges_nobody() -> None:
    trace = scenarios.day(1, scale=1 / 2000)
    run = Engine(trace, Fair, seed=1, quotes=False).run()

    late = [job for job in run.jobs if job.started_at is None and job.expired_at is None]
    assert len(run.jobs) > 300
    assert all(job.submitted_at > trace.until - 4000 for job in late)


def test_the_command_prints_and_writes_figures_without_settings(tmp_path: Path) -> None:
    known = {"PATH": os.environ["PATH"]}
    done = subprocess.run(
        [
            sys.executable, "-m", "scheduler.simulation",
            "--scenario", "flood", "--seed", "2", "--json", str(tmp_path / "figures.json"),
        ],
        check=True, capture_output=True, text=True, cwd=ROOT, env=known,
    )  # fmt: skip

    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {
        "others_p95_growth",
        "jain",
        "utilisation",
        "tiers",
        "calibration",
        "worst_window_pp",
        "retry_after_right",
        "lost_slot_time",
    } <= set(figures)
    assert "enterprise" in done.stdout


def test_a_scenario_is_drawn(tmp_path: Path) -> None:
    run = _flood(1)
    found = report.Report(
        figures={"scenario": "flood", "seed": 1, "policies": {}}, runs={"fair": run}
    )

    paths = plots.draw(found, tmp_path)

    assert [path.name for path in paths] == [
        "flood-1-fair.png",
        "flood-1-fair-shares.png",
        "flood-1.html",
    ]
    assert "flood-1-fair.png" in paths[-1].read_text()
