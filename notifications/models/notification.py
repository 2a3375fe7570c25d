"""One event for one person, as the notification centre shows it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Notification(models.Model):
    event_id = models.BigIntegerField()
    owner_id = models.UUIDField()
    name = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    payload = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "notification"
        constraints = [
            models.UniqueConstraint(name="notification_once", fields=["event_id", "owner_id"]),
        ]
        indexes = [
            models.Index(name="notification_by_owner", fields=["owner_id", "-id"]),
            models.Index(name="notification_by_subject", fields=["owner_id", "subject_id"]),
            models.Index(
                name="notification_unread", fields=["owner_id"], condition=Q(read_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} for {self.owner_id}"
