"""Credit entries: append-only, at most one reservation and one settlement a job."""

from django.conf import settings
from django.db import models
from django.db.models import Q


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
    # What the entry does to the balance and to what is held.
    balance_delta = models.BigIntegerField()
    held_delta = models.BigIntegerField()
    # Makes a grant happen once: the month, or an operator's request id.
    reason = models.CharField(max_length=200)
    recorded_at = models.DateTimeField(db_default=models.functions.Now(), editable=False)

    class Meta:
        db_table = "ledger_entry"
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
                name="ledger_one_grant", fields=["account", "reason"], condition=Q(kind="grant")
            ),
            models.CheckConstraint(
                name="ledger_kind_known", condition=Q(kind__in=EntryKind.values)
            ),
            models.CheckConstraint(
                name="ledger_job_unless_grant",
                condition=Q(kind="grant", job_id__isnull=True)
                | Q(~Q(kind="grant"), job_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.balance_delta:+d}"
