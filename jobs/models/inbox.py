"""What backends send us unasked, and what runs on them without an owner here."""

from django.db import models
from django.db.models.functions import Now


class WebhookMessage(models.Model):
    """One verified message of a backend, however often it came. It only makes us look sooner."""

    # A name, not a key: the record outlives the pool.
    pool = models.CharField(max_length=64)
    message_id = models.CharField(max_length=255)
    backend_job_id = models.CharField(max_length=255)
    received_at = models.DateTimeField(db_default=Now())
    # Deliveries of it, the first included.
    count = models.PositiveIntegerField(db_default=1, default=1)
    # The attempt that it was about; empty while none is known.
    job_id = models.UUIDField(null=True)
    attempt = models.PositiveSmallIntegerField(null=True)
    matched_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "webhook_message"
        constraints = [
            models.UniqueConstraint(name="webhook_message_once", fields=["pool", "message_id"]),
        ]
        indexes = [
            models.Index(
                name="webhook_message_parked",
                fields=["pool", "backend_job_id"],
                condition=models.Q(matched_at__isnull=True),
            ),
            models.Index(name="webhook_message_by_time", fields=["received_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.pool}: {self.message_id}"


class Orphan(models.Model):
    """Work on a backend that no live attempt owns: it is stopped where that is possible, and counted."""

    pool = models.CharField(max_length=64)
    job_id = models.UUIDField()
    attempt = models.PositiveSmallIntegerField()
    # Empty while it is not known whether the backend took the order at all.
    backend_job_id = models.CharField(max_length=255, blank=True, default="")
    handle = models.JSONField(default=dict)
    reason = models.CharField(max_length=300)
    found_at = models.DateTimeField(db_default=Now())
    # When it is looked for or stopped next; empty when nothing more can be done.
    due_at = models.DateTimeField(null=True, db_default=Now())
    tries = models.PositiveSmallIntegerField(db_default=0, default=0)
    # What came of it: stopped, goes_on, ended, unknown, never_there, given_up; empty while it is open.
    outcome = models.CharField(max_length=16, blank=True, default="")

    class Meta:
        db_table = "orphan"
        constraints = [
            models.UniqueConstraint(name="orphan_once_per_attempt", fields=["job_id", "attempt"]),
        ]
        indexes = [
            models.Index(
                name="orphan_due", fields=["due_at"], condition=models.Q(due_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pool}: {self.backend_job_id or 'perhaps'} of {self.job_id}"
