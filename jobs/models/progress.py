"""How far tiers and lines have come; written by the dispatcher with its grants."""

from django.db import models


class Progress(models.Model):
    """The state of the sharing after one write of the dispatcher: the newest row counts, the others are going.

    Rows are added and removed, never changed: a snapshot that somebody holds, such as a backup's, keeps old
    rows on their pages, but whoever reads from the newest end passes none of them by. A number is taken once,
    so of two writers that began from the same row one fails.
    """

    # The number of the write.
    id = models.BigIntegerField(primary_key=True)
    # By the line's id: the largest start tag that was granted, GPU-seconds per weight.
    virtual_times = models.JSONField()
    # Lines whose last grant went to an overdue head, so that the next one goes by tag.
    promoted = models.JSONField()
    # [pool, tier, settled, reached]: slot-seconds that ended, each divided by the weight it was charged under,
    # and the line ledger at the tier's last grant there. What ended last may still be in `slot_use`.
    shares = models.JSONField()
    # [pool, line, ledger, was_waiting]: estimated GPU-seconds per active owner, and whether something of the
    # line could run when the dispatcher last looked.
    turns = models.JSONField()
    # By the pool's name: the furthest that every waiting tier has come there, slot-seconds per weight.
    floors = models.JSONField()

    class Meta:
        db_table = "progress"

    def __str__(self) -> str:
        return f"after write {self.id}"


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
