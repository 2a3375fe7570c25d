"""What the scheduler counts."""

from prometheus_client import Counter

GRANTS = Counter("videogen_grants", "Slots granted.", ["pool", "tier"])
REPAIRS = Counter("videogen_repairs", "Rows that a sweep put right.", ["sweep"])
# A rate sees a counter's first step only where it was zero before.
for _sweep in ("rescue_silent_workers", "question_long_runs", "expire_waiting", "mend_lanes"):
    REPAIRS.labels(sweep=_sweep)
RANGES = Counter(
    "videogen_start_ranges",
    "Ranges for starts, of a sample, by when they were told and how they came out.",
    ["tier", "told", "outcome"],
)
