"""Half of the GPUs go away under load: paid users are still served, the queue stays bounded, free is shed first.

A reference GPU server plays the pool; accounts of three tiers submit over HTTP in bursts, more than it can make.
"""

import heapq
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from random import Random
from statistics import quantiles
from typing import Final
from uuid import uuid4

from demos import servers, stage
from jobs import pools, transitions
from jobs.errors import TransitionRefused
from jobs.ids import JobId
from jobs.models import Door, Job, Tier
from scheduler import foresight, invariants
from videogen.accounts import load

_MODEL: Final = "demo/halved"
_POOL: Final = "demo-halved"
_SLOTS: Final = 8
_VIDEO: Final = {"model": _MODEL, "seconds": 4, "size": "1280x720"}
# Submissions a second and accounts by tier: together about six times what the GPUs can make.
_OFFERED: Final = {"enterprise": (0.6, 8), "pro": (0.8, 12), "free": (10.0, 160)}
_PHASES: Final = (("all GPUs", 60.0), ("half of them", 90.0), ("all again", 30.0))
# Whoever is told to come back within so many seconds does.
_OBEYED_WITHIN: Final = 60.0
_PATIENCE: Final = 240.0
_ENOUGH: Final = 10
# Refusals for want of room, not for a limit of the account.
_OURS: Final = ("tier_full", "no_capacity")


@dataclass(order=True)
class _Call:
    """A submission to be sent at a moment; one that comes back brings its key again."""

    at: float
    tier: str = field(compare=False)
    api_key: str = field(compare=False)
    phase: int = field(compare=False)
    idempotency_key: str = field(compare=False, default_factory=lambda: str(uuid4()))
    is_back: bool = field(compare=False, default=False)


@dataclass
class _Record:
    """What became of the submissions, by phase and tier."""

    accepted: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    refused: Counter[tuple[int, str, str]] = field(default_factory=Counter)
    came_back: Counter[bool] = field(default_factory=Counter)
    slowest: float = 0.0
    standby: str = ""


def show() -> int:
    """Cut a pool to half under load and give it back; exit status 1 when a promise is not kept."""
    checks, record = stage.Checks(), _Record()
    with servers.running(
        _POOL, dialect="replicate", slots=_SLOTS, options=("--speed=0.7",)
    ) as server:
        servers.add_one_model_pool(
            server, model=_MODEL, slots=_SLOTS, declared_speed=0.5, actor="demo halved"
        )
        stage.title(f"Before: {_SLOTS} GPUs, accounts of three tiers, more work than they can do")
        keys = {
            tier: list(chain.from_iterable(load.seed(count, tier=tier)))
            for tier, (_, count) in _OFFERED.items()
        }
        with _restoring():
            _run(keys, record)
        stage.title("What came of it")
        _wait_for_paid(record)
        _report(checks, record)
        _leave()
    broken = [violation.name for violation in invariants.violations()]
    checks.that("broken invariants", found=broken, expected=[])
    return checks.end()


def _run(keys: Mapping[str, list[str]], record: _Record) -> None:
    calls = list(_calls(keys, began=time.monotonic()))
    heapq.heapify(calls)
    current = 0
    with ThreadPoolExecutor(max_workers=24) as threads:
        sent: list[tuple[_Call, Future[stage.Answer]]] = []
        while calls:
            call = heapq.heappop(calls)
            time.sleep(max(0.0, call.at - time.monotonic()))
            if call.phase > current:
                current = call.phase
                _turn_to(current)
            sent.append((call, threads.submit(_submit, call)))
            sent = _collect(sent, calls, record)
        while sent:
            sent = _collect(sent, calls, record)
            time.sleep(0.05)


def _calls(keys: Mapping[str, list[str]], *, began: float) -> Iterator[_Call]:
    random, start = Random(1), began  # noqa: S311 - must repeat
    for phase, (_, lasts) in enumerate(_PHASES):
        for tier, (rate, _) in _OFFERED.items():
            at = start + random.expovariate(rate)
            while at < start + lasts:
                yield _Call(at, tier=tier, api_key=random.choice(keys[tier]), phase=phase)
                at += random.expovariate(rate)
        start += lasts


def _turn_to(phase: int) -> None:
    slots = _SLOTS // 2 if phase == 1 else _SLOTS
    stage.title(f"{_PHASES[phase][0].capitalize()}: {slots} slots")
    for outcome in foresight.foresee({_POOL: slots}):
        if outcome.tier in _OFFERED:
            then = foresight.in_words(outcome.then)
            stage.say(f"foreseen for {outcome.tier}: {then}")
    pools.set_capacity({_POOL: slots}, actor="demo halved", reason="a demonstration")


def _submit(call: _Call) -> stage.Answer:
    headers = {"Idempotency-Key": call.idempotency_key}
    prompt = f"A tram in the rain, view {call.idempotency_key[:8]}"
    return stage.api_as(call.api_key, "jobs", {"prompt": prompt, **_VIDEO}, headers)


def _collect(
    sent: list[tuple[_Call, Future[stage.Answer]]], calls: list[_Call], record: _Record
) -> list[tuple[_Call, Future[stage.Answer]]]:
    """Note the answers that came; give the calls that still wait for theirs."""
    for call, future in sent:
        if future.done():
            _note(call, future.result(), calls, record)
    return [(call, future) for call, future in sent if not future.done()]


def _note(call: _Call, answer: stage.Answer, calls: list[_Call], record: _Record) -> None:
    key = call.phase, call.tier
    if call.is_back:
        record.came_back[answer.status == 202] += 1
    if answer.status == 202:
        record.accepted.setdefault(key, []).append(answer.json["id"])
        return
    if answer.status not in {429, 503}:
        raise SystemExit(f"A submit was answered {answer.status}: {answer.body.decode()[:300]}")
    record.refused[*key, answer.json["code"]] += 1
    after = answer.headers.get("Retry-After")
    if after is not None and float(after) <= _OBEYED_WITHIN and not call.is_back:
        back = _Call(
            time.monotonic() + float(after) + 1,
            tier=call.tier,
            api_key=call.api_key,
            phase=call.phase,
            idempotency_key=call.idempotency_key,
            is_back=True,
        )
        heapq.heappush(calls, back)
    if answer.status == 503 and call.tier == "free" and not record.standby:
        body = {"prompt": "A tram that has time", "standby": True, **_VIDEO}
        taken = stage.api_as(call.api_key, "jobs", body)
        record.standby = "taken" if taken.status == 202 else f"answered {taken.status}"


def _wait_for_paid(record: _Record) -> None:
    ids = [
        job_id for (_, tier), found in record.accepted.items() if tier != "free" for job_id in found
    ]
    deadline = time.monotonic() + _PATIENCE
    while Job.objects.filter(id__in=ids, dispatched_at=None, finished_at=None).exists():
        if time.monotonic() > deadline:
            stage.say("Some paid jobs have still not started.")
            return
        time.sleep(0.5)


def _report(checks: stage.Checks, record: _Record) -> None:
    promises = dict(Tier.objects.values_list("name", "start_promise_seconds"))
    for phase, (name, _) in enumerate(_PHASES):
        print(f"\n  {name}")
        for tier in _OFFERED:
            ids = record.accepted.get((phase, tier), [])
            waits = _waits(ids)
            refused = {
                code: count
                for (of_phase, of_tier, code), count in record.refused.items()
                if (of_phase, of_tier) == (phase, tier)
            }
            said = ", ".join(f"{count} {code}" for code, count in refused.items()) or "none refused"
            waited = (
                f"waited {waits[len(waits) // 2]:.0f} s, 1 in 20 over {_p95(waits):.0f} s"
                if waits
                else "none started"
            )
            print(f"    {tier:<11} {len(ids):>4} accepted, {waited}; {said}")
    print()
    for tier in ("enterprise", "pro"):
        waits = _waits(record.accepted.get((1, tier), []))
        promise = promises[tier] or 0
        kept = bool(waits) and _p95(waits) <= promise
        checks.that(
            f"{tier}: with half the GPUs, 19 of 20 start within the promised {promise} s",
            found=kept,
            expected=True,
        )
    refused_paid = sum(
        count for (_, tier, code), count in record.refused.items() if tier == "enterprise"
    )
    accepted = [job_id for found in record.accepted.values() for job_id in found]
    failed = Job.objects.filter(id__in=accepted, state="failed").values_list(
        "error_message", flat=True
    )
    checks.that("jobs that failed", found=list(failed[:1]), expected=[])
    checks.that("enterprise submissions refused", found=refused_paid, expected=0)
    refused_free = sum(record.refused[1, "free", code] for code in _OURS)
    checks.that("free is refused first", found=refused_free > 0, expected=True)
    fullest = max(
        Door.objects.filter(line__kind=_POOL, bound__isnull=False)
        .exclude(line__tier="standby")
        .values_list("fullest", flat=True),
        default=0.0,
    )
    stage.say(f"fullest line at an accept: {100 * fullest:.0f} % of its bound")
    checks.that("every accept was within its bound", found=fullest <= 1, expected=True)
    checks.that("standby, offered to who was refused", found=record.standby, expected="taken")
    came = sum(record.came_back.values())
    if came:
        stage.say(f"{record.came_back[True]} of {came} who came back when told were let in")
    if came >= _ENOUGH:
        checks.that(
            "Retry-After proved right for 4 of 5",
            found=record.came_back[True] >= 0.8 * came,
            expected=True,
        )


def _waits(ids: list[str]) -> list[float]:
    moments = Job.objects.filter(id__in=ids).values_list("created_at", "dispatched_at")
    return sorted((start - made).total_seconds() for made, start in moments if start is not None)


def _p95(waits: list[float]) -> float:
    return quantiles(waits, n=20)[-1] if len(waits) > 1 else waits[0]


@contextmanager
def _restoring() -> Iterator[None]:
    try:
        yield
    finally:
        pools.set_capacity({_POOL: _SLOTS}, actor="demo halved", reason="the end")


def _leave() -> None:
    """Cancel what still waits, so that the pool can go."""
    waiting = Job.objects.filter(model=_MODEL).live()
    stage.say(f"cancelling {waiting.count()} jobs that still wait or run")
    for job_id, owner_id in list(waiting.values_list("id", "owner_id")):
        # Some end by themselves meanwhile.
        with suppress(TransitionRefused):
            transitions.cancel(JobId(job_id), owner_id=owner_id)
