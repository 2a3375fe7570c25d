"""What a plan is entitled to. Rows, so that operators change them while everything runs."""

from django.db import models


class Tier(models.Model):
    name = models.CharField(primary_key=True, max_length=32)
    # Share of the GPU time while others wait; 0 runs only when nobody else waits.
    weight = models.PositiveSmallIntegerField()
    # Slots may be kept for paid tiers; unpaid ones give up their place first when there is too little.
    is_paid = models.BooleanField(default=False, db_default=False)
    # Jobs of one owner that may hold slots at once; empty means no limit.
    running_limit = models.PositiveIntegerField(null=True, blank=True)
    # Jobs of one owner that may wait at once; empty means no limit.
    queued_limit = models.PositiveIntegerField(null=True, blank=True)
    submissions_per_minute = models.PositiveIntegerField(null=True, blank=True)
    jobs_per_day = models.PositiveIntegerField(null=True, blank=True)
    gpu_seconds_per_day = models.PositiveIntegerField(null=True, blank=True)
    # Within which time a job is promised to start; empty means no promise.
    start_promise_seconds = models.PositiveIntegerField(null=True, blank=True)
    # Predicted wait beyond which the door closes; empty means it never does.
    door_bound_seconds = models.PositiveIntegerField(null=True, blank=True)
    monthly_credits = models.PositiveIntegerField()
    # Order of Celery queues and of shedding: higher is served first and shed last.
    rank = models.SmallIntegerField(unique=True)

    class Meta:
        db_table = "tier"

    def __str__(self) -> str:
        return self.name
