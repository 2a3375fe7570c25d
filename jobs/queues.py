"""Names of the Celery queues that feed GPU workers: one for each pool and tier."""

from jobs.models import Tier


def of(pool: str, tier: str) -> str:
    """Name the queue of one pool and tier."""
    return f"gpu.{pool}.{tier}"


def of_pool(pool: str) -> list[str]:
    """Name every queue of a pool, the highest tier first."""
    tiers = Tier.objects.order_by("-rank").values_list("name", flat=True)
    return [of(pool, tier) for tier in tiers]
