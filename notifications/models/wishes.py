"""How a person wants to be told, where that differs from at once and of everything."""

from django.db import models
from django.db.models import Q


class Wishes(models.Model):
    owner_id = models.UUIDField(primary_key=True)
    # Ends of videos that took less, from submission to end, are told in the app only.
    longer_than_seconds = models.PositiveIntegerField(default=0)
    # By the person's clock; over midnight when the end is the earlier one.
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    # Mail comes together at this time of the person's day; null for each at once.
    daily_mail_at = models.TimeField(null=True)

    class Meta:
        db_table = "notification_wishes"
        verbose_name_plural = "wishes"
        constraints = [
            models.CheckConstraint(
                name="notification_wishes_quiet_has_both_ends",
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False)
                & ~Q(quiet_from=models.F("quiet_until")),
            ),
        ]

    def __str__(self) -> str:
        return f"wishes of {self.owner_id}"
