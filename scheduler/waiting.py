"""What is published for those who wait: one row a line, at most every two seconds. Its only writer.

Capacity, drains and the curves of a moment make the outlook; `jobs/outlook.py` says what a job may expect of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from jobs import breakers, speeds
from jobs.models import LineOutlook, Pool, RunTime
from scheduler import estimates, lines
from scheduler.estimates import LineDemand
from scheduler.lines import Arrivals, Capacity, LineRow

# For so long after a change of capacity ranges cover the old and the new, seconds.
_AFTER_CHANGE: Final = 300.0
# A pool whose breaker is open and that gave no answer for so long takes no work, whatever its state, seconds.
_SILENT_AFTER: Final = 60.0
# A video of so many seconds is a usual one, where none was learned from.
_USUAL_LENGTH: Final = 4
_FIELDS: Final = (
    "taken_at", "virtual_time", "work_xs", "work_ys", "overtaking_xs", "overtaking_ys", "drain",
    "drain_before", "mean_cost", "mean_run", "slots", "usual_slots", "pools", "open_pools",
    "paused_since", "reduced_since", "restored_at",
)  # fmt: skip


@dataclass(slots=True)
class Capacities:
    """The pools, and what they had before their last change."""

    pools: Sequence[Pool] = ()
    kinds: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _runs: Mapping[str, float] = field(default_factory=dict)
    _before: Mapping[str, int] = field(default_factory=dict)
    _changed_at: datetime | None = None
    _silent: frozenset[str] = frozenset()

    def read(self, kinds: Mapping[str, frozenset[str]], *, now: datetime) -> None:
        """Read the pools, and note what they had if that changed."""
        had = {pool.name: self._open_slots(pool) for pool in self.pools}
        self.pools, self.kinds = list(Pool.objects.order_by("name")), kinds
        self._silent = frozenset(pool.name for pool in self.pools if _is_silent(pool, now=now))
        has = {pool.name: self._open_slots(pool) for pool in self.pools}
        if had and had != has:
            self._before, self._changed_at = had, now
        self._runs = _mean_runs()

    def slots(
        self, foreseen: Mapping[str, int] | None = None
    ) -> list[tuple[float, frozenset[str]]]:
        """Give the slots that take work now, by pool with its kinds; or would, with as many as `foreseen`."""
        return [
            (float(self._open_slots(pool, (foreseen or {}).get(pool.name))), self._kinds(pool))
            for pool in self.pools
        ]

    def slots_before(self, now: datetime) -> list[tuple[float, frozenset[str]]] | None:
        """Give the slots before the last change; None once it is some minutes past."""
        if self._changed_at is None or (now - self._changed_at).total_seconds() > _AFTER_CHANGE:
            return None
        return [(float(self._before.get(pool.name, 0)), self._kinds(pool)) for pool in self.pools]

    def of_kind(self, kind: str) -> Capacity:
        """Give the slots that serve a kind."""
        found = [pool for pool in self.pools if kind in self._kinds(pool)]
        opened = [pool for pool in found if self._is_open(pool)]
        less = [since for pool in found if (since := self._less_since(pool)) is not None]
        return Capacity(
            slots=sum(self._open_slots(pool) for pool in found),
            usual_slots=sum(pool.usual_slots or pool.slots for pool in found),
            pools=len(found),
            open_pools=len(opened),
            paused_since=None if opened else max(map(self._closed_since, found), default=None),
            reduced_since=min(less, default=None),
            restored_at=self._restored_at(found),
        )

    def mean_run(self, kind: str) -> float:
        """Give how long a job of a kind runs on average, seconds."""
        found = [pool for pool in self.pools if kind in self._kinds(pool)]
        slots = sum(max(1, pool.slots) for pool in found)
        total = sum(
            max(1, pool.slots) * self._runs.get(pool.name, _declared(pool)) for pool in found
        )
        return total / slots if slots else 0.0

    def _kinds(self, pool: Pool) -> frozenset[str]:
        return self.kinds.get(pool.name, frozenset())

    def _is_open(self, pool: Pool) -> bool:
        return pool.state in lines.OPEN and pool.name not in self._silent

    def _open_slots(self, pool: Pool, slots: int | None = None) -> int:
        if not self._is_open(pool):
            return 0
        count = pool.slots if slots is None else slots
        # After failing it gets one job at a time.
        return min(1, count) if pool.is_on_probation else count

    def _closed_since(self, pool: Pool) -> datetime:
        return _heard_at(pool) if pool.state in lines.OPEN else pool.state_since

    def _restored_at(self, pools: Iterable[Pool]) -> datetime | None:
        """Say when all that is missing comes back; None where some of it has no time."""
        less = [pool for pool in pools if self._less_since(pool) is not None]
        moments = [pool.restore_at for pool in less if pool.restore_at and self._is_open(pool)]
        return max(moments, default=None) if len(moments) == len(less) else None

    def _less_since(self, pool: Pool) -> datetime | None:
        if not self._is_open(pool):
            return self._closed_since(pool)
        return pool.reduced_since or (pool.state_since if pool.is_on_probation else None)


def drains(
    rows: Iterable[LineRow],
    arrivals: Arrivals,
    slots: Sequence[tuple[float, frozenset[str]]],
) -> dict[int, float]:
    """Give how fast each line drains with these slots, GPU-seconds each second."""
    known = list(rows)
    demands = {
        row.id: LineDemand(
            tier=row.tier,
            kind=row.kind,
            wants=estimates.demand(arriving=arrivals.rate(row.id), waiting=row.waiting),
            owners=row.owners,
        )
        for row in known
    }
    return estimates.line_drains(slots, demands, {row.tier: row.weight for row in known})


def publish(
    rows: Iterable[LineRow],
    *,
    arrivals: Arrivals,
    capacities: Capacities,
    drains_now: Mapping[int, float],
    drains_before: Mapping[int, float],
    now: datetime,
) -> None:
    """Write the outlook of every line, in one statement."""
    LineOutlook.objects.bulk_create(
        [
            _outlook(
                row,
                arrivals=arrivals,
                capacities=capacities,
                drain=drains_now.get(row.id, 0.0),
                before=drains_before.get(row.id),
                now=now,
            )
            for row in rows
        ],
        update_conflicts=True,
        unique_fields=["line"],
        update_fields=_FIELDS,
    )


def _outlook(
    row: LineRow,
    *,
    arrivals: Arrivals,
    capacities: Capacities,
    drain: float,
    before: float | None,
    now: datetime,
) -> LineOutlook:
    capacity = capacities.of_kind(row.kind)
    mean_run = capacities.mean_run(row.kind)
    overtaking = arrivals.overtaking(row.id)
    return LineOutlook(
        line_id=row.id,
        taken_at=now,
        virtual_time=row.virtual_time,
        work_xs=row.work.xs,
        work_ys=row.work.ys,
        overtaking_xs=overtaking.xs,
        overtaking_ys=overtaking.ys,
        drain=drain,
        drain_before=before,
        mean_cost=row.mean_head or mean_run,
        mean_run=mean_run,
        slots=capacity.slots,
        usual_slots=capacity.usual_slots,
        pools=capacity.pools,
        open_pools=capacity.open_pools,
        paused_since=capacity.paused_since,
        reduced_since=capacity.reduced_since,
        restored_at=capacity.restored_at,
    )


def _is_silent(pool: Pool, *, now: datetime) -> bool:
    is_asked_in_vain = pool.unanswered >= breakers.OPENS_AT
    return is_asked_in_vain and (now - _heard_at(pool)).total_seconds() > _SILENT_AFTER


def _heard_at(pool: Pool) -> datetime:
    return max(pool.answered_at or pool.state_since, pool.state_since)


def _mean_runs() -> dict[str, float]:
    totals: dict[str, tuple[float, int]] = {}
    for row in RunTime.objects.all():
        total, count = totals.get(row.pool_name, (0.0, 0))
        mean = 0.3 * row.p10 + 0.4 * row.median + 0.3 * row.p90
        totals[row.pool_name] = total + mean * row.count, count + row.count
    return {name: total / count for name, (total, count) in totals.items() if count}


def _declared(pool: Pool) -> float:
    if not pool.model_names or not pool.sizes:
        return 0.0
    return speeds.declared(pool, (pool.model_names[0], _USUAL_LENGTH, pool.sizes[0]))
