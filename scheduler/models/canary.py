"""When each Celery queue was last heard to be consumed; a worker that stopped consuming looks alive."""

from django.db import models
from django.db.models.functions import Now


class Canary(models.Model):
    queue = models.CharField(primary_key=True, max_length=160)
    # Since when somebody should consume it.
    known_at = models.DateTimeField(db_default=Now())
    # When a worker last ran a task of it; empty before the first.
    heard_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "canary"

    def __str__(self) -> str:
        return self.queue
