"""An event that one subscriber could not hear. The others went on; somebody has to look at this one."""

from django.db import models
from django.db.models.functions import Now


class ParkedEvent(models.Model):
    event_id = models.BigIntegerField()
    # The subscriber's dotted name.
    subscriber = models.CharField(max_length=128)
    # The error's type and message.
    error = models.CharField(max_length=500)
    # Times that it was tried, by the relay and by people.
    try_count = models.IntegerField(default=1)
    parked_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "parked_event"
        constraints = [
            models.UniqueConstraint(name="parked_event_once", fields=["event_id", "subscriber"]),
        ]

    def __str__(self) -> str:
        return f"event {self.event_id} for {self.subscriber}"
