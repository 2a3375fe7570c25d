"""Kinds of jobs: those that the same pools can make wait together, so that no pool is given what it cannot run."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Kind(models.Model):
    """Jobs with the same usable pools."""

    # The names of its pools, joined; a digest where that is long.
    name = models.CharField(primary_key=True, max_length=64)
    # Every pool that can make what belongs here.
    pools = ArrayField(models.CharField(max_length=64))
    # Those that can make everything that still waits here; fewer while jobs of a changed pool are moved on.
    usable = ArrayField(models.CharField(max_length=64))
    # Since when some that wait here belong elsewhere, and up to which job they were moved.
    left_at = models.DateTimeField(null=True)
    moved_to = models.UUIDField(null=True)

    class Meta:
        db_table = "kind"

    def __str__(self) -> str:
        return self.name


class Offering(models.Model):
    """One thing that can be asked for, and the kind that its jobs are of."""

    pk = models.CompositePrimaryKey("model", "seconds", "size")
    model = models.CharField(max_length=64)
    seconds = models.PositiveSmallIntegerField()
    size = models.CharField(max_length=16)
    kind = models.ForeignKey(Kind, on_delete=models.CASCADE)

    class Meta:
        db_table = "offering"
