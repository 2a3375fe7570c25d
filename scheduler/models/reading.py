"""What the whole was like at a moment, in a few numbers: the console draws the last hour from these."""

from django.db import models
from django.db.models.functions import Now


class Reading(models.Model):
    taken_at = models.DateTimeField(primary_key=True, db_default=Now())
    # As `scheduler/readings.py` writes it: rates, waits by tier, slots by pool; and the heaviest accounts,
    # apart, so that drawing an hour does not read them.
    figures = models.JSONField()
    accounts = models.JSONField(default=dict)

    class Meta:
        db_table = "reading"
        permissions = [
            ("view_console", "Can look at the operator console"),
            ("operate_console", "Can act in the operator console"),
        ]

    def __str__(self) -> str:
        return f"{self.taken_at:%H:%M:%S}"
