"""What is published for those who wait, and how right it proved; `jobs/outlook.py` reads it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from jobs.models.line import Line


class LineOutlook(models.Model):
    """A line as it was at most two seconds ago."""

    line = models.OneToOneField(Line, primary_key=True, on_delete=models.CASCADE)
    taken_at = models.DateTimeField(db_default=Now())
    virtual_time = models.FloatField()
    # GPU-seconds that start before a virtual time: places and heights of the curve.
    work_xs = ArrayField(models.FloatField())
    work_ys = ArrayField(models.FloatField())
    # GPU-seconds a second that arrive with a lead below a value.
    overtaking_xs = ArrayField(models.FloatField())
    overtaking_ys = ArrayField(models.FloatField())
    # GPU-seconds each second; and before a change of capacity, for the minutes after it.
    drain = models.FloatField()
    drain_before = models.FloatField(null=True)
    mean_cost = models.FloatField()
    mean_run = models.FloatField()
    # Slots that take work now, and those that would usually.
    slots = models.PositiveIntegerField()
    usual_slots = models.PositiveIntegerField()
    pools = models.PositiveSmallIntegerField()
    open_pools = models.PositiveSmallIntegerField()
    # Since when no pool takes work; since when there are fewer slots than usual.
    paused_since = models.DateTimeField(null=True)
    reduced_since = models.DateTimeField(null=True)
    # When the last of the cut pools has its usual slots again; empty where one of them has no such time.
    restored_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "outlook"

    def __str__(self) -> str:
        return f"{self.line_id}: {self.drain:.1f}/s"


class Band(models.Model):
    """How far starts lie from what is predicted, as logarithms of a factor; learned while it is used."""

    pk = models.CompositePrimaryKey("tier", "is_new", "bucket")
    # Empty for deep buckets, which the tiers share.
    tier = models.CharField(max_length=32, blank=True)
    # Whether the range was told at the submission, or later.
    is_new = models.BooleanField()
    bucket = models.PositiveSmallIntegerField()
    low = models.FloatField()
    high = models.FloatField()

    class Meta:
        db_table = "band"


class ToldRange(models.Model):
    """A range for a waiting job's start that is checked against what happens. A sample of all that are told."""

    job_id = models.UUIDField()
    tier = models.CharField(max_length=32)
    is_new = models.BooleanField()
    bucket = models.PositiveSmallIntegerField()
    seconds = models.FloatField()
    told_at = models.DateTimeField(db_default=Now())
    low_at = models.DateTimeField()
    high_at = models.DateTimeField()

    class Meta:
        db_table = "told_range"
        constraints = [
            models.UniqueConstraint(name="told_range_once", fields=["job_id", "is_new"]),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.low_at:%H:%M:%S} to {self.high_at:%H:%M:%S}"


class RangeOutcome(models.Model):
    """How many ranges of a day proved right, by tier, wait, and when they were told."""

    pk = models.CompositePrimaryKey("day", "tier", "is_new", "bucket")
    day = models.DateField()
    tier = models.CharField(max_length=32)
    is_new = models.BooleanField()
    bucket = models.PositiveSmallIntegerField()
    inside = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    early = models.PositiveIntegerField(default=0)
    # Sum of widths divided by what was predicted; with the counts it gives the mean.
    width = models.FloatField(default=0)

    class Meta:
        db_table = "range_outcome"
