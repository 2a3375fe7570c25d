"""Slots that come back by themselves, at the time that an operator named. Audited like an act of theirs."""

from django.db import transaction

from jobs import pools
from scheduler import acts


def give_back() -> int:
    """Give pools whose time has come their usual slots; say how many."""
    with transaction.atomic():
        slots = pools.restore_due()
        for name, count in slots.items():
            acts.record(
                pools.BY_THE_CLOCK,
                "pool.restore",
                name,
                reason="At the time that was named with the cut.",
                outcome=f"{name} has its {count:,} slots again.",
            )
    return len(slots)
