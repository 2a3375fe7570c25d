"""An attempt's right to a slot until a time that the database sets. Slots are these rows, never a counter."""

from django.db import models
from django.db.models.functions import Now

from jobs.models.breaks import Breaks, GuardedIntegerField, GuardedSmallIntegerField
from jobs.models.job import Job
from jobs.models.pool import Pool


class Lease(models.Model):
    # No constraint: it is written with its job, and no job is removed.
    job = models.OneToOneField(Job, primary_key=True, on_delete=models.CASCADE, db_constraint=False)
    attempt = GuardedSmallIntegerField()
    pool = models.ForeignKey(Pool, on_delete=models.PROTECT, db_index=False)
    slot = GuardedIntegerField()
    owner_id = models.UUIDField()
    line_id = models.SmallIntegerField()
    # What the grant charged the lane, GPU-seconds; the finish corrects it by what was really used.
    estimate = models.FloatField()
    granted_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField()
    # When a worker took the attempt from its queue, and which one.
    picked_up_at = models.DateTimeField(null=True)
    worker = models.CharField(max_length=128, blank=True, default="")
    percent = GuardedSmallIntegerField(null=True)
    # When an asynchronous attempt is asked after next; empty for those that run in a worker.
    poll_at = models.DateTimeField(null=True)
    # A webhook brought the next question forward.
    is_hinted = models.BooleanField(db_default=False, default=False)
    # When the backend last gave a usable answer about it, and when it was asked to stop.
    answered_at = models.DateTimeField(null=True)
    stop_asked_at = models.DateTimeField(null=True)
    # When a sweep last asked the backend about an attempt that takes too long.
    questioned_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "lease"
        constraints = [
            models.UniqueConstraint(name="lease_one_per_slot", fields=["pool", "slot"]),
            models.CheckConstraint(
                name="lease_breaks_nothing",
                condition=Breaks("attempt", "slot", "percent", function="lease_breaks"),
            ),
        ]
        indexes = [
            models.Index(name="lease_by_owner", fields=["owner_id"]),
            models.Index(
                name="lease_to_poll",
                fields=["pool", "poll_at"],
                condition=models.Q(poll_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pool_id}#{self.slot}"
