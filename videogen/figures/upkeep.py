"""Whether the clock ticks, every queue is consumed, and what must happen by itself does."""

from functools import cache
from typing import Final

from django.db import connection

from scheduler import invariants
from videogen import canaries, celery
from videogen.figures.figure import Figure

_TICKS: Final = "select name, extract(epoch from now() - claimed_at)::float8 from tick"
# Those that an index answers, however large history is; `check_invariants` asks for all.
WATCHED: Final = (
    "leases_are_swept",
    "retries_return",
    "deadlines_are_kept",
    "nobody_holds_a_lock",
    "held_notices_go_on",
)


def read() -> list[Figure]:
    """Read the ticks that were ever claimed, the canaries and the quick invariants."""
    with connection.cursor() as cursor:
        cursor.execute(_TICKS)
        ages: dict[str, float] = dict(cursor.fetchall())
    periods = {name: every for name, every in _periods().items() if name in ages}
    broken = {one.name for one in invariants.violations(only=WATCHED)}
    return [
        Figure(
            name="videogen_tick_age_seconds",
            about="Since a task of the clock last ran.",
            labels=("tick",),
            rows=[(name, ages[name]) for name in periods],
        ),
        Figure(
            name="videogen_tick_period_seconds",
            about="How often a task of the clock should run.",
            labels=("tick",),
            rows=list(periods.items()),
        ),
        Figure(
            name="videogen_canary_age_seconds",
            about="Since the canary of a Celery queue last came through.",
            labels=("queue",),
            rows=sorted(canaries.ages().items()),
        ),
        Figure(
            name="videogen_invariant_broken",
            about="1 while something is not done that must happen by itself within a minute.",
            labels=("invariant",),
            rows=[(name, int(name in broken)) for name in WATCHED],
        ),
    ]


@cache
def _periods() -> dict[str, float]:
    """Give how often the clock runs what at least, by the name of its tick."""
    celery.app.finalize()
    from videogen import beat, looks  # noqa: PLC0415 - its table is made of tasks that are complete

    return {
        name.rpartition(".")[2]: max(entry["schedule"], looks.SELDOM * (name in looks.CONDITIONS))
        for name, entry in beat.SCHEDULE.items()
    }
