"""Adding and removing pools. What they did stays in attempts, which keep their names."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from jobs import catalog, seeds
from jobs.models import Lease, Pool, PoolState


def put(name: str, settings: Mapping[str, Any]) -> bool:
    """Add or update a pool by the fields of its row, with the lines of its models; say whether it is new."""
    with transaction.atomic():
        pool, is_new = Pool.objects.update_or_create(name=name, defaults=settings)
        seeds.add_tiers()
        seeds.add_lines(pool)
    catalog.forget()
    return is_new


def remove(name: str) -> int:
    """Remove a pool; while jobs run there it drains instead. Gives how many run. Raises Pool.DoesNotExist."""
    with transaction.atomic():
        pool = Pool.objects.select_for_update(of=("self",)).get(name=name)
        running = Lease.objects.filter(pool=pool).count()
        if running:
            pool.state = PoolState.DRAINING
            pool.save(update_fields=["state"])
        else:
            pool.delete()
    catalog.forget()
    return running
