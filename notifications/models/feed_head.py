"""The last sequence number given to an owner's events. The relay locks it, never a move of a job."""

from django.db import models


class FeedHead(models.Model):
    owner_id = models.UUIDField(primary_key=True)
    sequence = models.BigIntegerField()

    class Meta:
        db_table = "feed_head"

    def __str__(self) -> str:
        return f"{self.owner_id} at {self.sequence}"
