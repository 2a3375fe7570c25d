"""How much may wait in each line, and the places that refused callers were given; `jobs/door.py` decides."""

from django.db import models
from django.db.models.functions import Now

from jobs.models.line import Line


class Door(models.Model):
    """A line's door. The dispatcher's process publishes it; a submission adds to `added`, a refusal to `book`.

    A row of its own, so that the grants, which write the line, and the submissions do not wait for each other.
    Where it has lent room to its gates, submissions add there (`jobs/gates.py`).
    """

    line = models.OneToOneField(Line, primary_key=True, on_delete=models.CASCADE)
    # What may wait, GPU-seconds; on standby, jobs. Empty where nothing bounds it.
    bound = models.FloatField(null=True)
    # GPU-seconds each second: the least of the last minutes; and of each minute, as pairs (minute, drain).
    drain = models.FloatField(default=0)
    drains = models.JSONField(default=list)
    # What waited when it was published, and what submissions added since.
    work = models.FloatField(default=0)
    added = models.FloatField(default=0)
    # Of what may still wait, what is lent to its gates.
    lent = models.FloatField(default=0, db_default=0)
    # Up to when places are given to refused callers; in the past: a closed book.
    book = models.DateTimeField(db_default=Now())
    # The most, as a share of the bound, that waited just after an accept behind others; what was lent counts.
    fullest = models.FloatField(default=0)
    published_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "door"

    def __str__(self) -> str:
        return f"{self.line_id}: {self.work + self.added:.0f} of {self.bound}"


class Gate(models.Model):
    """A part of what may still wait in a line, and what was submitted through it since its door was published."""

    pk = models.CompositePrimaryKey("line_id", "number")
    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_index=False)
    number = models.SmallIntegerField()
    room = models.FloatField(default=0)
    added = models.FloatField(default=0)

    class Meta:
        db_table = "gate"
        constraints = [
            models.CheckConstraint(name="gate_has_room", condition=models.Q(room__gte=0)),
        ]


class Ticket(models.Model):
    """A refused caller's place: good once, between its moments."""

    owner_id = models.UUIDField()
    line = models.ForeignKey(Line, on_delete=models.CASCADE, db_index=False)
    # Why its caller was refused.
    why = models.CharField(max_length=16)
    # Of the request that was refused, so that asking again gives the same place.
    fingerprint = models.BinaryField(max_length=32)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    # The job that it let in.
    job_id = models.UUIDField(null=True, unique=True)

    class Meta:
        db_table = "ticket"
        indexes = [
            models.Index(
                name="ticket_open",
                fields=["owner_id", "line", "valid_until"],
                condition=models.Q(job_id__isnull=True),
            ),
            models.Index(name="ticket_by_time", fields=["valid_until"]),
        ]

    def __str__(self) -> str:
        return f"{self.owner_id}: {self.valid_from:%H:%M:%S}"
