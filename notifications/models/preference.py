"""A person's own word on whether an event reaches them by a channel; without a row, the default holds."""

from django.db import models


class Preference(models.Model):
    owner_id = models.UUIDField()
    # The name of an event, such as job.succeeded.
    name = models.CharField(max_length=64)
    channel = models.CharField(max_length=16)
    is_on = models.BooleanField()

    class Meta:
        db_table = "notification_preference"
        constraints = [
            models.UniqueConstraint(
                name="notification_preference_once", fields=["owner_id", "name", "channel"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} by {self.channel} for {self.owner_id}: {'on' if self.is_on else 'off'}"
