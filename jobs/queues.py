"""Names of the Celery queues that feed GPU workers: one for each pool and tier, and one for reserved slots."""

from enum import StrEnum

from jobs.models import Tier


class Slots(StrEnum):
    """Which slots of its pools a worker works on."""

    ALL = "all"
    # Those that only paid tiers get, and those that all get.
    RESERVED = "reserved"
    SHARED = "shared"


def of(pool: str, tier: str) -> str:
    """Name the queue of one pool and tier."""
    return f"gpu.{pool}.{tier}"


def of_reserved(pool: str) -> str:
    """Name the queue of a pool's reserved slots."""
    return f"gpu.{pool}:reserved"


def of_pool(pool: str, slots: Slots = Slots.ALL) -> list[str]:
    """Name the queues of a pool that feed these slots: the reserved one, then the highest tier first."""
    reserved = [] if slots is Slots.SHARED else [of_reserved(pool)]
    if slots is Slots.RESERVED:
        return reserved
    tiers = Tier.objects.order_by("-rank").values_list("name", flat=True)
    return [*reserved, *(of(pool, tier) for tier in tiers)]
