"""What a submission writes: the job, its owner's credits, an entry of them, a notice."""

import uuid

from django.conf import settings
from django.db import models


class Credits(models.Model):
    """Credits of a user."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    balance = models.IntegerField(default=0)


class Job(models.Model):
    """A video to make."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    prompt = models.TextField(max_length=4000)
    model = models.CharField(max_length=100, default="preview")
    seconds = models.IntegerField(default=4)
    size = models.CharField(max_length=20, default="854x480")
    status = models.CharField(max_length=20, default="queued")
    idempotency_key = models.CharField(max_length=255, null=True)  # noqa: DJ001 - null is no key
    video_url = models.URLField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["user", "-created_at"])]
        constraints = [
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="usual_one_per_key")
        ]


class Entry(models.Model):
    """A change of credits."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    job = models.ForeignKey(Job, on_delete=models.CASCADE)
    amount = models.IntegerField()
    created_at = models.DateTimeField(auto_now_add=True)


class Notice(models.Model):
    """What the owner is told."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    job = models.ForeignKey(Job, on_delete=models.CASCADE)
    kind = models.CharField(max_length=20)
    created_at = models.DateTimeField(auto_now_add=True)
