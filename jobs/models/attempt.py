"""Tries at running a job, and the history of its moves."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.breaks import Breaks, GuardedIntegerField, GuardedSmallIntegerField
from jobs.models.job import Job


class LearnedBy(models.TextChoices):
    """How the end of an attempt was first learned."""

    # It ran in the worker.
    WORKER = "worker", "Its worker"
    POLL = "poll", "A poll"
    # A poll that a webhook brought forward.
    WEBHOOK = "webhook", "A webhook"
    SWEEP = "sweep", "A sweep"


class Attempt(models.Model):
    """One try: where it ran, who ran it, how it ended."""

    # No constraint: it is written with its job, and no job is removed.
    job = models.ForeignKey(
        Job,
        on_delete=models.CASCADE,
        db_index=False,
        db_constraint=False,
        related_name="attempts",
    )
    number = GuardedSmallIntegerField()
    # Names, not keys: the record outlives the pool.
    pool = models.CharField(max_length=64)
    slot = GuardedIntegerField()
    worker = models.CharField(max_length=128, blank=True, default="")
    node = models.CharField(max_length=128, blank=True, default="")
    backend_job_id = models.CharField(max_length=255, blank=True, default="")
    # What an asynchronous driver wants back with every later question.
    handle = models.JSONField(db_default={}, default=dict)
    # When a create was sent to an asynchronous server, whether or not it was answered.
    submitted_at = models.DateTimeField(null=True)
    # How its end was first learned.
    learned_by = models.CharField(
        max_length=8, choices=LearnedBy, blank=True, db_default="", default=""
    )
    granted_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    # How it ended: succeeded, canceled, expired, or a failure's kind; empty while it lives.
    outcome = models.CharField(max_length=32, blank=True, default="")
    detail = models.TextField(blank=True, default="")

    class Meta:
        db_table = "attempt"
        indexes = [
            # Whose a server's id is, and whether the server gave it again.
            models.Index(
                name="attempt_by_backend_job",
                fields=["pool", "backend_job_id"],
                condition=~Q(backend_job_id=""),
            )
        ]
        constraints = [
            models.UniqueConstraint(name="attempt_one_per_number", fields=["job", "number"]),
            # Two live attempts never claim the same work of one server; some count their ids anew at a restart.
            models.UniqueConstraint(
                name="attempt_one_per_backend_job",
                fields=["pool", "backend_job_id"],
                condition=Q(~Q(backend_job_id=""), ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="attempt_breaks_nothing",
                condition=Breaks(
                    "number", "slot", "ended_at", "outcome", function="attempt_breaks"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} attempt {self.number}"


class JobTransition(models.Model):
    """One move of a job. Append-only."""

    # No constraint: it is written with its job, and no job is removed.
    job = models.ForeignKey(
        Job,
        on_delete=models.CASCADE,
        db_index=False,
        db_constraint=False,
        related_name="transitions",
    )
    # The job's version after the move.
    version = GuardedIntegerField()
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    attempt = GuardedSmallIntegerField()
    # What caused it, in a word: a failure's kind, "owner", "grant", ...
    cause = models.CharField(max_length=32)
    at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        db_table = "job_transition"
        constraints = [
            models.UniqueConstraint(name="transition_once_per_version", fields=["job", "version"]),
            models.UniqueConstraint(
                name="transition_starts_attempt_once",
                fields=["job", "attempt"],
                condition=Q(to_state="running"),
            ),
            models.UniqueConstraint(
                name="transition_ends_once",
                fields=["job"],
                condition=Q(to_state__in=["succeeded", "failed", "canceled", "expired"]),
            ),
            models.CheckConstraint(
                name="transition_breaks_nothing",
                condition=Breaks("to_state", "version", "attempt", function="transition_breaks"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} to {self.to_state}"
