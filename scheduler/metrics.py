"""What the scheduler counts."""

from prometheus_client import Counter

GRANTS = Counter("videogen_grants", "Slots granted.", ["pool", "tier"])
REPAIRS = Counter("videogen_repairs", "Rows that a sweep put right.", ["sweep"])
