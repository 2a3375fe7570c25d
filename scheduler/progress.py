"""How far tiers and lines have come: the newest row of `progress`, and the row that a batch leaves."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scheduler.rows import Picked, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The state of the sharing; see `jobs.models.Progress` for units. By pool and tier, or pool and line."""

    number: int = 0
    virtual_times: Mapping[int, float] = field(default_factory=dict)
    promoted: frozenset[int] = frozenset()
    settled: Mapping[tuple[str, str], float] = field(default_factory=dict)
    reached: Mapping[tuple[str, str], float] = field(default_factory=dict)
    turns: Mapping[tuple[str, int], Turn] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)


def read(
    row: Mapping[str, Any] | None,
    used: Sequence[tuple[int, str, str, float]],
    *,
    pools: Collection[str],
    tiers: Collection[str],
    lines: Collection[int],
) -> Progress:
    """Give what a row says of pools, tiers and lines that still exist, and add rows of `slot_use`."""
    row = row or {
        "id": 0,
        "virtual_times": {},
        "promoted": [],
        "shares": [],
        "turns": [],
        "floors": {},
    }
    settled: defaultdict[tuple[str, str], float] = defaultdict(float)
    reached = {}
    for pool, tier, service, at in row["shares"]:
        settled[pool, tier], reached[pool, tier] = float(service), float(at)
    for _, pool, tier, service in used:
        settled[pool, tier] += service
    return Progress(
        number=row["id"],
        virtual_times={
            int(line): float(at) for line, at in row["virtual_times"].items() if int(line) in lines
        },
        promoted=frozenset(row["promoted"]) & frozenset(lines),
        settled={key: at for key, at in settled.items() if key[0] in pools and key[1] in tiers},
        reached={key: at for key, at in reached.items() if key[0] in pools and key[1] in tiers},
        turns={
            (pool, line): Turn(ledger=float(ledger), was_waiting=was_waiting)
            for pool, line, ledger, was_waiting in row["turns"]
            if pool in pools and line in lines
        },
        floors={pool: float(at) for pool, at in row["floors"].items() if pool in pools},
    )


def moved(before: Progress, picked: Picked) -> Progress:
    """Give the state after a batch."""
    settled = dict(before.settled)
    for key, lift in picked.lifts.items():
        settled[key] = settled.get(key, 0.0) + lift
    promoted = {line for line, (_, is_promoted) in picked.lines.items() if is_promoted}
    return replace(
        before,
        virtual_times={
            **before.virtual_times,
            **{line: at for line, (at, _) in picked.lines.items()},
        },
        promoted=(before.promoted - picked.lines.keys()) | promoted,
        settled=settled,
        reached={**before.reached, **picked.reached},
        turns={**before.turns, **picked.turns},
        floors={**before.floors, **picked.floors},
    )


def columns(before: Progress, after: Progress) -> dict[str, Any]:
    """Give the values of the row that takes the place of the one before; see `jobs.progress.STEP`."""
    shares = sorted(after.settled.keys() | after.reached.keys())
    return {
        "progress": before.number,
        "virtual_times": json.dumps(
            {str(line): at for line, at in sorted(after.virtual_times.items())}
        ),
        "promoted": json.dumps(sorted(after.promoted)),
        "shares": json.dumps(
            [[*key, after.settled.get(key, 0.0), after.reached.get(key, 0.0)] for key in shares]
        ),
        "turns": json.dumps(
            [[*key, turn.ledger, turn.was_waiting] for key, turn in sorted(after.turns.items())]
        ),
        "floors": json.dumps(dict(sorted(after.floors.items()))),
    }
