"""An address of a user's program, told of events by signed requests."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class WebhookEndpoint(models.Model):
    id = models.UUIDField(primary_key=True, editable=False)
    owner_id = models.UUIDField()
    name = models.CharField(max_length=100)
    url = models.CharField(max_length=2000)
    # Which of the public event types it is told of.
    event_types = models.JSONField()
    # Null while it is told; then `disabled_reason` says why it is not.
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=300, default="", blank=True)
    # Sealed by notifications/sealing.py; shown once, when it is made.
    sealed_secret = models.TextField()
    # The end of the secret, to tell secrets apart.
    secret_hint = models.CharField(max_length=8)
    # The secret before the last rotation also signs, until this time.
    sealed_old_secret = models.TextField(default="", blank=True)
    old_secret_until = models.DateTimeField(null=True)
    # Events recorded before this time are none of its business: it was not there, or wanted others.
    listens_since = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "webhook_endpoint"
        indexes = [models.Index(name="webhook_endpoint_by_owner", fields=["owner_id", "id"])]
        constraints = [
            models.CheckConstraint(
                name="webhook_endpoint_disabled_with_reason",
                condition=Q(disabled_at__isnull=True, disabled_reason="")
                | Q(disabled_at__isnull=False) & ~Q(disabled_reason=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.url} of {self.owner_id}"
