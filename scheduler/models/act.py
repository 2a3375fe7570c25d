"""What an operator did in the console: who, when, what, why, and what came of it. Append-only."""

from django.db import models
from django.db.models.functions import Now


class Act(models.Model):
    at = models.DateTimeField(db_default=Now())
    # The operator's e-mail address as it was then.
    actor = models.CharField(max_length=254)
    # A verb such as `pool.drain`, and what it was done to.
    verb = models.CharField(max_length=32)
    subject = models.CharField(max_length=200)
    reason = models.CharField(max_length=300)
    # The result in a sentence.
    outcome = models.CharField(max_length=500)

    class Meta:
        db_table = "operator_act"
        verbose_name = "act of an operator"
        verbose_name_plural = "acts of operators"
        indexes = [
            models.Index(name="operator_act_by_actor", fields=["actor", "-id"]),
            models.Index(name="operator_act_by_verb", fields=["verb", "-id"]),
            models.Index(name="operator_act_by_subject", fields=["subject", "-id"]),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.verb} {self.subject}"
