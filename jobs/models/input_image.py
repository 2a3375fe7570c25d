"""Images that videos begin from: kept while a job may need them, and removed some time after."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class InputImage(models.Model):
    """One image of one owner, however many jobs begin from it."""

    pk = models.CompositePrimaryKey("owner_id", "digest")
    owner_id = models.UUIDField()
    # SHA-256 of the content.
    digest = models.BinaryField(max_length=32)
    mime = models.CharField(max_length=32)
    content = models.BinaryField()
    # When a submission last named it.
    used_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "input_image"
        constraints = [
            models.CheckConstraint(
                name="input_image_of_known_type",
                condition=Q(mime__in=["image/jpeg", "image/png", "image/webp"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mime} {bytes(self.digest).hex()[:12]}"
