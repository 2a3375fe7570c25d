"""An owner's tier, limits used and credits. Submissions and settlements of one owner meet on this row."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from jobs.models.tier import Tier


class Account(models.Model):
    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="account",
    )
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT)
    # Credits that can be spent, and credits that live jobs hold.
    balance = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    # Jobs that have not ended.
    live_count = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "account"
        constraints = [
            models.CheckConstraint(name="account_never_overdrawn", condition=Q(balance__gte=0)),
            models.CheckConstraint(name="account_held_not_negative", condition=Q(held__gte=0)),
        ]

    def __str__(self) -> str:
        return str(self.owner_id)
