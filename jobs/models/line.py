"""Who waits where: a line is one tier's queue for one kind, a lane one owner's place in it.

Start-time fair queueing (Goyal, Vin, Cheng 1996) keeps its tags here: the tag is on the lane, moves at
the grant and is corrected at the finish.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from jobs.models.tier import Tier


class Line(models.Model):
    """A tier's queue for a kind; its virtual time is in `Progress`."""

    id = models.SmallAutoField(primary_key=True)
    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, db_index=False)
    # Jobs with the same usable pools; today the model's name.
    kind = models.CharField(max_length=64)

    class Meta:
        db_table = "line"
        constraints = [models.UniqueConstraint(name="line_once", fields=["tier", "kind"])]

    def __str__(self) -> str:
        return f"{self.tier_id}/{self.kind}"


class LaneState(models.IntegerChoices):
    # Nothing waits.
    EMPTY = 0
    # Something waits and the owner has room.
    READY = 1
    # Something waits; the owner runs as many jobs as the plan allows.
    AT_LIMIT = 2


class Lane(models.Model):
    """One owner's place in a line; `jobs/lanes.py` says how its figures follow the backlog."""

    pk = models.CompositePrimaryKey("owner_id", "line_id")
    owner_id = models.UUIDField()
    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_index=False)
    state = models.SmallIntegerField(choices=LaneState)
    # Start tag of the lane's next job.
    tag = models.FloatField()
    # GPU-seconds that wait in it, by estimate.
    work = models.FloatField(default=0, db_default=0)
    # How many they are.
    jobs = models.IntegerField(default=0, db_default=0)
    # Its next job; empty while nothing waits.
    head_id = models.UUIDField(null=True)
    head_cost = models.FloatField(null=True)
    # Since when the next job waits for others; before `counts_from` the owner's own limit held it back.
    head_since = models.DateTimeField(null=True)
    counts_from = models.DateTimeField(null=True)

    class Meta:
        db_table = "lane"
        indexes = [
            models.Index(
                name="lane_ready", fields=["line", "tag", "owner_id"], condition=Q(state=1)
            ),
            models.Index(
                name="lane_by_age",
                fields=["line", "head_since", "owner_id"],
                condition=Q(state=1),
            ),
            models.Index(name="lane_waiting", fields=["line"], condition=Q(state__gt=0)),
        ]


class Backlog(models.Model):
    """A job that could run now. The order of an owner's jobs is the order of their ids."""

    job_id = models.UUIDField(primary_key=True)
    owner_id = models.UUIDField()
    # No constraint: all submissions would lock the same row. The owner's lane keeps the line.
    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_index=False, db_constraint=False)
    cost = models.FloatField()
    # When it was submitted.
    since = models.DateTimeField(db_default=Now())
    # Where its last attempt was; empty before the first.
    tried_pool = models.CharField(max_length=64, null=True)  # noqa: DJ001 - empty costs no room in the row
    tried_slot = models.PositiveIntegerField(null=True)

    class Meta:
        db_table = "backlog"
        indexes = [models.Index(name="backlog_by_lane", fields=["owner_id", "line", "job_id"])]

    def __str__(self) -> str:
        return str(self.job_id)
