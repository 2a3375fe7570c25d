"""Which job a key made, and for which request: the memory that makes a submit safe to repeat."""

from django.db import models
from django.db.models.functions import Now


class IdempotencyKey(models.Model):
    pk = models.CompositePrimaryKey("owner_id", "key")
    owner_id = models.UUIDField()
    key = models.CharField(max_length=255)
    # SHA-256 over the parsed fields of the request.
    fingerprint = models.BinaryField(max_length=32)
    job_id = models.UUIDField()
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "idempotency_key"
