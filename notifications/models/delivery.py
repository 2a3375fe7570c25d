"""One event on its way to one person, by one channel, to one target; and each try of it."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class DeliveryState(models.TextChoices):
    # Has a next try; `due_at` says when.
    SCHEDULED = "scheduled"
    # The other side took it.
    DELIVERED = "delivered"
    # Waits for its reader's time, until `due_at`; then it is scheduled, or part of a summary.
    HELD = "held"
    # Part of a summary.
    MERGED = "merged"
    # Given up: refused for good, the schedule ran out, or the target was disabled.
    ABANDONED = "abandoned"
    # There was nobody to send it to, or they do not want it any more.
    SKIPPED = "skipped"


class Delivery(models.Model):
    id = models.UUIDField(primary_key=True, editable=False)
    # Null for a test that a person asked for.
    event_id = models.BigIntegerField(null=True)
    owner_id = models.UUIDField()
    # The name of the event, such as job.succeeded, and what it is about.
    name = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    channel = models.CharField(max_length=16)
    # What of the channel is reached: an endpoint's id, or the owner's where there is one for each person.
    target = models.CharField(max_length=64)
    # The same over every try and replay; receivers drop what they have seen by it.
    message_id = models.CharField(max_length=128)
    # What is sent, fixed when it was planned; empty where the channel writes it from the event.
    content = models.TextField(default="", blank=True)
    payload = models.JSONField(default=dict)
    state = models.CharField(
        max_length=9, choices=DeliveryState.choices, default=DeliveryState.SCHEDULED
    )
    # Why it was abandoned, skipped or held.
    reason = models.CharField(max_length=300, default="", blank=True)
    # Null when it has ended. A claimed try is due again when its courier may be dead.
    due_at = models.DateTimeField(null=True, db_default=Now())
    claimed_until = models.DateTimeField(null=True)
    # It waits for the daily mail.
    is_daily = models.BooleanField(default=False, db_default=False)
    # The delivery that tells it together with others.
    summary_id = models.UUIDField(null=True)
    # Of the last try: the fencing token of whoever writes down what became of it.
    attempt = models.IntegerField(default=0)
    # Tries since it was planned or replayed; the schedule reads it.
    try_count = models.IntegerField(default=0)
    replay_count = models.IntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery"
        constraints = [
            models.UniqueConstraint(
                name="delivery_once", fields=["event_id", "owner_id", "channel", "target"]
            ),
            models.CheckConstraint(
                name="delivery_due_iff_scheduled",
                condition=Q(state="scheduled", due_at__isnull=False, ended_at__isnull=True)
                | Q(state="held", due_at__isnull=False, claimed_until__isnull=True)
                & Q(ended_at__isnull=True)
                | Q(due_at__isnull=True, claimed_until__isnull=True, ended_at__isnull=False)
                & ~Q(state__in=["scheduled", "held"]),
            ),
            models.CheckConstraint(
                name="delivery_merged_iff_in_a_summary",
                condition=Q(state="merged", summary_id__isnull=False)
                | Q(summary_id__isnull=True) & ~Q(state="merged"),
            ),
            models.UniqueConstraint(
                name="delivery_summary_once",
                fields=["channel", "target", "message_id"],
                condition=Q(event_id__isnull=True, name="notices.summed"),
            ),
        ]
        indexes = [
            # What a route sends next.
            models.Index(
                name="delivery_scheduled",
                fields=["channel", "target", "due_at"],
                condition=Q(state="scheduled"),
            ),
            # What a route has under way.
            models.Index(
                name="delivery_claimed",
                fields=["channel", "target"],
                condition=Q(claimed_until__isnull=False),
            ),
            # How much of a channel one owner's targets have under way.
            models.Index(
                name="delivery_claimed_by_owner",
                fields=["channel", "owner_id"],
                condition=Q(claimed_until__isnull=False),
            ),
            models.Index(name="delivery_held", fields=["due_at"], condition=Q(state="held")),
            models.Index(
                name="delivery_in_summary",
                fields=["summary_id"],
                condition=Q(summary_id__isnull=False),
            ),
            # What each person was sent, newest first.
            models.Index(name="delivery_by_owner", fields=["owner_id", "-id"]),
            models.Index(name="delivery_by_target", fields=["target", "-id"]),
            models.Index(name="delivery_ended", fields=["ended_at"]),
            # What nobody took, newest first.
            models.Index(name="delivery_abandoned", fields=["-id"], condition=Q(state="abandoned")),
        ]

    def __str__(self) -> str:
        return f"{self.name} by {self.channel} to {self.target}"


class DeliveryAttempt(models.Model):
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.IntegerField()
    # delivered, failed, skipped or held; overtaken when a later try had begun.
    outcome = models.CharField(max_length=9)
    # What was wrong, as the person who owns the target reads it.
    reason = models.CharField(max_length=300, default="", blank=True)
    # Of HTTP channels; null without an answer.
    status_code = models.IntegerField(null=True)
    # Method, address and headers that were sent, without secrets.
    request = models.JSONField(default=dict)
    # The start of the answer, printable and without secrets.
    answer = models.TextField(default="", blank=True)
    started_at = models.DateTimeField()
    took_ms = models.IntegerField()

    class Meta:
        db_table = "delivery_attempt"
        constraints = [
            models.UniqueConstraint(name="delivery_attempt_once", fields=["delivery", "number"]),
        ]

    def __str__(self) -> str:
        return f"try {self.number} of {self.delivery_id}: {self.outcome}"


class Route(models.Model):
    """The deliveries of one channel to one target: sent in order of time, a few at once.

    A target that fails is paused here, so that it costs others nothing, whatever waits for it.
    """

    channel = models.CharField(max_length=16)
    target = models.CharField(max_length=64)
    # Whose target it is; null until it is next written to, where it was made before owners were noted.
    owner_id = models.UUIDField(null=True)
    # When there is something to do; null when nothing is scheduled.
    next_at = models.DateTimeField(null=True)
    # Failures since the last success.
    failure_count = models.IntegerField(default=0)
    # When something was last delivered; a target that never took anything is not trusted with much.
    succeeded_at = models.DateTimeField(null=True)
    # Nothing is sent before this time.
    paused_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "delivery_route"
        constraints = [
            models.UniqueConstraint(name="delivery_route_once", fields=["channel", "target"]),
        ]
        indexes = [
            models.Index(
                name="delivery_route_next",
                fields=["channel", "next_at"],
                condition=Q(next_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.target}"
