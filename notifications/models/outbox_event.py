"""A fact, written in the transaction that made it true, and its place in its owner's feed."""

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Now

# Relays share the work by these; an owner's events always stay in one shard, and so in order.
SHARD_COUNT = 16


class OutboxEvent(models.Model):
    # `noun.past_participle`, such as job.succeeded.
    name = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    owner_id = models.UUIDField()
    payload = models.JSONField()
    recorded_at = models.DateTimeField(db_default=Now())
    shard = models.GeneratedField(
        expression=Func(Func(F("owner_id"), function="uuid_send"), 15, function="get_byte").bitand(
            SHARD_COUNT - 1
        ),
        output_field=models.SmallIntegerField(),
        db_persist=True,
    )
    # Gap-free number in the owner's feed, given by the relay.
    sequence = models.BigIntegerField(null=True)
    # When subscribers and sockets had been told.
    relayed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "outbox_event"
        indexes = [
            models.Index(
                name="outbox_pending", fields=["id"], condition=Q(relayed_at__isnull=True)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="outbox_one_end_of_a_batch",
                fields=["subject_id"],
                condition=Q(name="batch.ended"),
            ),
            models.UniqueConstraint(
                name="outbox_feed_order",
                fields=["owner_id", "sequence"],
                condition=Q(sequence__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.subject_id}"
