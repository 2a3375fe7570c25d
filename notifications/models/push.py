"""Where pushes go: browsers that subscribed, and apps on phones that registered."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class PushSubscription(models.Model):
    """A browser's subscription (RFC 8030), with the keys that only it can open messages with (RFC 8291)."""

    id = models.UUIDField(primary_key=True, editable=False)
    owner_id = models.UUIDField()
    # Where its push service takes messages. Whoever knows it can do nothing without our private key.
    endpoint = models.CharField(max_length=2000)
    p256dh = models.CharField(max_length=100)
    auth = models.CharField(max_length=40)
    # The public key of ours that it was made with: messages signed with another one are refused.
    vapid_key = models.CharField(max_length=100)
    name = models.CharField(max_length=100, default="", blank=True)
    user_agent = models.CharField(max_length=300, default="", blank=True)
    # Digest of the session that registered it: it ends with that session. Empty for a key's.
    session_digest = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    # When the browser last said that it is there.
    confirmed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "push_subscription"
        constraints = [
            # One browser tells one person.
            models.UniqueConstraint(name="push_subscription_once", fields=["endpoint"]),
        ]
        indexes = [
            models.Index(name="push_subscription_by_owner", fields=["owner_id", "id"]),
            models.Index(
                name="push_subscription_by_session",
                fields=["session_digest"],
                condition=~Q(session_digest=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'a browser'} of {self.owner_id}"


class Platform(models.TextChoices):
    ANDROID = "android", "Android"
    # Reached by way of FCM too.
    IOS = "ios", "iPhone or iPad"


class PushDevice(models.Model):
    """An app on a phone or tablet, by the token that FCM gave it."""

    id = models.UUIDField(primary_key=True, editable=False)
    owner_id = models.UUIDField()
    platform = models.CharField(max_length=7, choices=Platform.choices)
    token = models.CharField(max_length=4096)
    # Tokens are too long for an index.
    token_digest = models.CharField(max_length=64)
    name = models.CharField(max_length=100, default="", blank=True)
    session_digest = models.CharField(max_length=64, default="", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    # When the app last said that it is there.
    confirmed_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "push_device"
        constraints = [
            # One app tells one person.
            models.UniqueConstraint(name="push_device_once", fields=["token_digest"]),
            models.CheckConstraint(
                name="push_device_platform", condition=Q(platform__in=Platform.values)
            ),
        ]
        indexes = [
            models.Index(name="push_device_by_owner", fields=["owner_id", "id"]),
            models.Index(
                name="push_device_by_session",
                fields=["session_digest"],
                condition=~Q(session_digest=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.platform} of {self.owner_id}"
