"""The last run of each clock-driven task: whatever the number of beats, one of them gets each tick."""

from django.db import models
from django.db.models.functions import Now


class Tick(models.Model):
    name = models.CharField(primary_key=True, max_length=64)
    # Number of the period since 1970; grows by one each period.
    slot = models.BigIntegerField()
    claimed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "tick"

    def __str__(self) -> str:
        return f"{self.name} {self.slot}"
