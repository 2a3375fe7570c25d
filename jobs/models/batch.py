"""Jobs that were submitted in one call."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.ids import new_id


class Batch(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    # The program's idempotency key, and a digest of all its requests.
    key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - empty is a key too
    fingerprint = models.BinaryField(max_length=32)
    # Requests in the call, accepted or not.
    size = models.PositiveSmallIntegerField()
    # When the call had submitted what it could; until then its jobs are not all there.
    closed_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "batch"
        verbose_name_plural = "batches"
        indexes = [
            models.Index(
                name="batch_open", fields=["created_at"], condition=Q(closed_at__isnull=True)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="batch_one_per_key", fields=["owner", "key"], condition=Q(key__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
