"""GPU slots of one backend: how many, for which models, in which state."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class PoolState(models.TextChoices):
    # Takes new work.
    ACTIVE = "active", "Active"
    # Finishes what runs, takes nothing new, then leaves.
    DRAINING = "draining", "Draining"
    # Takes nothing new until an operator resumes it.
    PAUSED = "paused", "Paused"
    # Taken out by health checks after failing in a row.
    QUARANTINED = "quarantined", "Quarantined"


class Pool(models.Model):
    name = models.SlugField(primary_key=True, max_length=64)
    # The driver that speaks to the backend, and the dialect of its server.
    driver = models.CharField(max_length=32)
    profile = models.CharField(max_length=32, blank=True)
    url = models.URLField(blank=True)
    slots = models.PositiveIntegerField()
    # Slots in usual times, while there are fewer; and since when there are.
    usual_slots = models.PositiveIntegerField(null=True, editable=False)
    reduced_since = models.DateTimeField(null=True, editable=False)
    # When these come back by themselves; empty where somebody has to give them back.
    restore_at = models.DateTimeField(null=True, editable=False)
    state = models.CharField(max_length=16, choices=PoolState, default=PoolState.ACTIVE)
    model_names = ArrayField(models.CharField(max_length=64))
    # Lengths offered, seconds, and frame sizes offered, as WIDTHxHEIGHT.
    seconds = ArrayField(models.PositiveSmallIntegerField())
    sizes = ArrayField(models.CharField(max_length=16))
    # The backend's own name for an image to begin from; empty where it takes none.
    image_input = models.CharField(max_length=64, blank=True, default="", db_default="")
    # It can change a finished video by a new prompt.
    can_remix = models.BooleanField(default=False, db_default=False)
    credits_per_second = models.PositiveIntegerField(default=1)
    # Slots whose workers take only paid tiers.
    paid_reserved = models.PositiveIntegerField(default=0)
    # Sealed by notifications/sealing.py; what they hold is never shown again.
    sealed_key = models.TextField(blank=True, default="", editable=False)
    sealed_webhook_secret = models.TextField(blank=True, default="", editable=False)
    # Hosts that results may be on beside the server's own; "*.example.com" allows any below.
    result_hosts = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    # What its models call our fields, {"duration": "num_seconds"}; an empty name leaves a field out.
    field_map = models.JSONField(db_default={}, default=dict, blank=True)
    # Questions that the server is asked at most, each second, over all processes.
    polls_per_second = models.FloatField(default=5.0)
    # The time up to which questions are used up (GCRA, ITU-T I.371).
    polled_until = models.DateTimeField(db_default=Now(), editable=False)
    # Why the state is as it is, since when, and until when a quarantine lasts at least.
    state_reason = models.CharField(max_length=300, blank=True, default="")
    state_since = models.DateTimeField(db_default=Now(), editable=False)
    # Taken out by failures in a row: how often without a success between, and at least until when; then one
    # slot, until a success proves it well.
    quarantines = models.PositiveSmallIntegerField(default=0, editable=False)
    quarantined_until = models.DateTimeField(null=True, editable=False)
    is_on_probation = models.BooleanField(default=False, editable=False)
    # Circuit breaker: calls without an answer in a row, and until when none is made.
    unanswered = models.PositiveIntegerField(default=0, editable=False)
    breaker_until = models.DateTimeField(null=True, editable=False)
    # What the last health check found.
    checked_at = models.DateTimeField(null=True, editable=False)
    answered_at = models.DateTimeField(null=True, editable=False)
    # What the server says of itself: how many it works on at once, and its models.
    told_slots = models.PositiveIntegerField(null=True, editable=False)
    told_models = ArrayField(
        models.CharField(max_length=255), db_default=[], default=list, editable=False
    )
    last_error = models.CharField(max_length=400, blank=True, default="", editable=False)
    # Declared speed until it is learned: GPU-seconds for one second of 854x480 video.
    declared_speed = models.FloatField(default=1.0)

    class Meta:
        db_table = "pool"
        constraints = [
            models.CheckConstraint(
                name="pool_state_known", condition=Q(state__in=PoolState.values)
            ),
            models.CheckConstraint(
                name="pool_restores_what_was_cut",
                condition=Q(restore_at__isnull=True) | Q(usual_slots__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PoolChange(models.Model):
    """One change of what a pool may do: who made it, why, and from what to what. Append-only."""

    pool = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())
    # An operator's e-mail address, or the part of the system that decided.
    actor = models.CharField(max_length=254)
    reason = models.CharField(max_length=300, blank=True, default="")
    # {"slots": [8, 4]}: what it was and what it became; no secrets.
    changed = models.JSONField()

    class Meta:
        db_table = "pool_change"
        indexes = [models.Index(name="pool_change_by_time", fields=["pool", "-at"])]

    def __str__(self) -> str:
        return f"{self.pool}: {self.changed}"


class Node(models.Model):
    """A machine whose workers take nothing from a pool for a while, because its attempts failed in a row."""

    pk = models.CompositePrimaryKey("pool_name", "name")
    pool_name = models.CharField(max_length=64)
    name = models.CharField(max_length=128)
    reason = models.CharField(max_length=300)
    quarantined_at = models.DateTimeField(db_default=Now())
    quarantined_until = models.DateTimeField()
    quarantines = models.PositiveSmallIntegerField(default=1)

    class Meta:
        db_table = "node"

    def __str__(self) -> str:
        return f"{self.name} of {self.pool_name}"


class RetryBudget(models.Model):
    """How many retries a pool may still cause at once; below zero, the next ones come later."""

    pool = models.OneToOneField(Pool, primary_key=True, on_delete=models.CASCADE)
    tokens = models.FloatField()
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "retry_budget"

    def __str__(self) -> str:
        return f"{self.pool_id}: {self.tokens:.1f}"


class RunTime(models.Model):
    """What a pool's recent generations of one kind took, seconds, learned from those that succeeded."""

    pk = models.CompositePrimaryKey("pool_name", "model", "seconds", "size")
    pool_name = models.CharField(max_length=64)
    model = models.CharField(max_length=64)
    seconds = models.PositiveSmallIntegerField()
    size = models.CharField(max_length=16)
    # How many it was learned from.
    count = models.PositiveIntegerField()
    p10 = models.FloatField()
    median = models.FloatField()
    p90 = models.FloatField()
    p99 = models.FloatField()
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "run_time"
