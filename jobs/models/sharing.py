"""How far tiers and lines have come in each pool; the dispatcher writes these rows with its grants."""

from django.db import models

from jobs.models.line import Line
from jobs.models.pool import Pool
from jobs.models.tier import Tier


class Share(models.Model):
    """A tier's part of a pool."""

    pk = models.CompositePrimaryKey("pool_id", "tier_id")
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, db_index=False)
    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, db_index=False)
    # Slot-seconds that ended, each divided by the weight it was charged under. What ended last may still be
    # in `slot_use`.
    settled = models.FloatField(default=0)
    # The line ledger at the tier's last grant here.
    reached = models.FloatField(default=0)

    class Meta:
        db_table = "share"


class Turn(models.Model):
    """A line's turn among its tier's lines in one pool."""

    pk = models.CompositePrimaryKey("pool_id", "line_id")
    pool = models.ForeignKey(Pool, on_delete=models.CASCADE, db_index=False)
    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_index=False)
    # Estimated GPU-seconds per active owner.
    ledger = models.FloatField(default=0)
    # Whether something of it could run when the dispatcher last looked.
    was_waiting = models.BooleanField(default=False)

    class Meta:
        db_table = "turn"


class PoolFloor(models.Model):
    """The furthest that every waiting tier has come in a pool; apart from the pool, which others write."""

    pool = models.OneToOneField(Pool, primary_key=True, on_delete=models.CASCADE)
    # Slot-seconds per weight.
    floor = models.FloatField(default=0)

    class Meta:
        db_table = "pool_floor"

    def __str__(self) -> str:
        return f"{self.pool_id}: {self.floor:.1f}"


class SlotUse(models.Model):
    """What an ended attempt took of a pool, until the dispatcher adds it to its tier's share.

    A row of its own, so that the ends of a pool's attempts do not wait for each other.
    """

    pool_name = models.CharField(max_length=64)
    tier_name = models.CharField(max_length=32)
    # Slot-seconds per weight.
    service = models.FloatField()

    class Meta:
        db_table = "slot_use"

    def __str__(self) -> str:
        return f"{self.pool_name}/{self.tier_name}: {self.service:.1f}"
