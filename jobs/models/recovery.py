"""What was repaired, and what came too late: the records that incidents are read off."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.job import Job


class Cause(models.TextChoices):
    # The lease ran out: the worker died, hangs, or lost its connection.
    SILENT_WORKER = "silent_worker", "Worker fell silent"
    # No worker took the granted attempt.
    NEVER_PICKED_UP = "never_picked_up", "Nobody took it"
    # It ran far longer than is normal for its model, length and size on its pool.
    OVERDUE = "overdue", "Ran too long"
    # The backend no longer knows it.
    FORGOTTEN = "forgotten", "Forgotten by the backend"


class Truth(models.TextChoices):
    """What the backend said when it was asked."""

    FINISHED = "finished", "Finished"
    FAILED = "failed", "Failed"
    RUNNING = "running", "Still running"
    GONE = "gone", "Unknown to it"
    UNREACHABLE = "unreachable", "No answer"
    # No worker had taken the attempt, so there was nobody to ask.
    NOT_ASKED = "not_asked", "Not asked"


class Recovery(models.Model):
    """One stuck attempt that a sweep ended: why, where it ran, what the backend said."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, db_index=False, related_name="+")
    attempt = models.PositiveSmallIntegerField()
    cause = models.CharField(max_length=16, choices=Cause)
    truth = models.CharField(max_length=16, choices=Truth)
    # Names, not keys: the record outlives the pool.
    pool = models.CharField(max_length=64)
    worker = models.CharField(max_length=128, blank=True)
    node = models.CharField(max_length=128, blank=True)
    # When the attempt was last known to be well.
    stuck_since = models.DateTimeField()
    recovered_at = models.DateTimeField(db_default=Now())
    # The state that the job was brought to.
    led_to = models.CharField(max_length=10)

    class Meta:
        db_table = "recovery"
        verbose_name_plural = "recoveries"
        constraints = [
            models.UniqueConstraint(name="recovery_once_per_attempt", fields=["job", "attempt"]),
            models.CheckConstraint(
                name="recovery_cause_known", condition=Q(cause__in=Cause.values)
            ),
            models.CheckConstraint(
                name="recovery_truth_known", condition=Q(truth__in=Truth.values)
            ),
        ]
        indexes = [models.Index(name="recovery_by_time", fields=["-recovered_at"])]

    def __str__(self) -> str:
        return f"{self.job_id} attempt {self.attempt}: {self.cause}"


class LateResult(models.Model):
    """A video that arrived after its attempt no longer owned the job. Shown, never charged."""

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, db_index=False, related_name="late_results"
    )
    attempt = models.PositiveSmallIntegerField()
    video_url = models.TextField()
    thumbnail_url = models.TextField(blank=True)
    arrived_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "late_result"
        constraints = [
            models.UniqueConstraint(name="late_result_once_per_attempt", fields=["job", "attempt"]),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} attempt {self.attempt}"
