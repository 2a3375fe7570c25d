"""An owner's tier, limits used and credits. Submissions and settlements of one owner meet on this row."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from jobs.models.breaks import Breaks, GuardedIntegerField
from jobs.models.tier import Tier


class Account(models.Model):
    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="account",
    )
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT)
    # Credits that can be spent, and credits that live jobs hold.
    balance = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    # Jobs that have not ended.
    live_count = GuardedIntegerField(default=0)
    # The time up to which submissions are used up (GCRA, ITU-T I.371).
    submitted_until = models.DateTimeField(db_default=Now())
    # What was submitted on the last day of a submission, UTC: jobs, and their GPU-seconds by estimate. What
    # never got a slot gives its seconds back.
    day = models.DateField(null=True)
    day_jobs = GuardedIntegerField(default=0, db_default=0)
    day_gpu_seconds = models.FloatField(default=0, db_default=0)
    # The last month whose credits were granted, as YYYY-MM in UTC.
    granted_month = models.CharField(max_length=7, blank=True, default="")

    class Meta:
        db_table = "account"
        indexes = [models.Index(name="account_by_granted_month", fields=["granted_month"])]
        constraints = [
            models.CheckConstraint(
                name="account_breaks_nothing",
                condition=Breaks(
                    "balance", "held", "live_count", "day_jobs", function="account_breaks"
                ),
            ),
        ]

    def __str__(self) -> str:
        return str(self.owner_id)
