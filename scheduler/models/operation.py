"""One action on many jobs: counted first, confirmed by its name, then done batch by batch."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.ids import new_id


class OperationState(models.TextChoices):
    # A worker counts what it would do; nothing is changed.
    COUNTING = "counting", "Counting"
    # Counted; an operator confirms it, or drops it.
    COUNTED = "counted", "Counted"
    # A worker does it, batch by batch.
    RUNNING = "running", "Running"
    # It came to its end.
    DONE = "done", "Done"
    # An operator stopped it; what was done stays done.
    ABORTED = "aborted", "Aborted"


class Doing(models.TextChoices):
    CANCEL = "cancel", "Cancel what waits"
    MOVE_TIER = "move_tier", "Move accounts to a tier"
    PUT_BACK = "put_back", "Put back in line"
    ASK = "ask", "Ask the backend"


class Operation(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # What its operator calls it, and types again to confirm.
    name = models.CharField(max_length=60)
    doing = models.CharField(max_length=16, choices=Doing)
    # Which jobs: tier, model, pool, owner, older_than (minutes), cause.
    filters = models.JSONField(default=dict)
    # The tier that accounts are moved to.
    tier = models.CharField(max_length=32, blank=True, default="")
    actor = models.CharField(max_length=254)
    reason = models.CharField(max_length=300)
    state = models.CharField(max_length=8, choices=OperationState, default=OperationState.COUNTING)
    # Jobs up to this one have been looked at; ids sort by time. `end` was the newest when it was made.
    cursor = models.UUIDField(null=True)
    end = models.UUIDField()
    # What it is about by the count; what was done, and what had moved on by itself meanwhile.
    counted = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    # What backends said of them, in the count: {"finished": 3}.
    truths = models.JSONField(default=dict)
    made_at = models.DateTimeField(db_default=Now())
    # Until when a worker has it in hand; one that died leaves it to the next.
    claimed_until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "operation"
        constraints = [
            models.CheckConstraint(
                name="operation_state_known", condition=Q(state__in=OperationState.values)
            ),
            models.CheckConstraint(
                name="operation_ended_iff_over",
                condition=Q(state__in=["done", "aborted"], ended_at__isnull=False)
                | Q(~Q(state__in=["done", "aborted"]), ended_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                name="operation_at_work",
                fields=["id"],
                condition=Q(state__in=["counting", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.doing}"
