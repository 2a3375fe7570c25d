"""Credit entries: append-only and double-entry, at most one reservation and one settlement a job."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models.breaks import Breaks


class EntryKind(models.TextChoices):
    # Credits given: monthly by tier, or by an operator with a reason.
    GRANT = "grant", "Granted"
    # Credits moved from the balance to what live jobs hold.
    RESERVE = "reserve", "Held"
    # A finished video's price, taken from what was held.
    CAPTURE = "capture", "Charged"
    # Held credits given back.
    RELEASE = "release", "Given back"


class LedgerEntry(models.Model):
    account = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    # No foreign key: an insert must not lock the job row.
    job_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=8, choices=EntryKind)
    # The three legs, which sum to zero: what the owner may spend, what live jobs hold, and the house,
    # which issues grants and earns charges.
    balance_delta = models.BigIntegerField()
    held_delta = models.BigIntegerField()
    house_delta = models.BigIntegerField()
    # Why, in words or as the cause of the move that settled it.
    reason = models.CharField(max_length=200)
    # Makes a grant happen once: the month, or an operator's request.
    reference = models.CharField(max_length=64, blank=True, default="")
    recorded_at = models.DateTimeField(db_default=models.functions.Now(), editable=False)

    class Meta:
        db_table = "ledger_entry"
        verbose_name_plural = "ledger entries"
        indexes = [models.Index(name="ledger_by_account", fields=["account", "-id"])]
        constraints = [
            models.UniqueConstraint(
                name="ledger_one_reserve", fields=["job_id"], condition=Q(kind="reserve")
            ),
            models.UniqueConstraint(
                name="ledger_one_settlement",
                fields=["job_id"],
                condition=Q(kind__in=["capture", "release"]),
            ),
            models.UniqueConstraint(
                name="ledger_one_grant", fields=["account", "reference"], condition=Q(kind="grant")
            ),
            # The function (migration 0023) names the first rule that is broken.
            models.CheckConstraint(
                name="ledger_breaks_nothing",
                condition=Breaks(
                    "kind",
                    "job_id",
                    "balance_delta",
                    "held_delta",
                    "house_delta",
                    function="ledger_breaks",
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.balance_delta:+d}"
