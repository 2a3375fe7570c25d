"""The questions that we ask of jobs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from jobs.states import LIVE, TERMINAL

if TYPE_CHECKING:
    from jobs.models import Job  # noqa: F401


class JobQuerySet(models.QuerySet["Job"]):
    def owned_by(self, owner_id: UUID) -> JobQuerySet:
        """Jobs that this owner submitted, and did not delete."""
        return self.filter(owner_id=owner_id, hidden_at__isnull=True)

    def created_between(self, start: datetime, end: datetime) -> JobQuerySet:
        """Jobs submitted at or after `start` and before `end`."""
        return self.filter(created_at__gte=start, created_at__lt=end)

    def live(self) -> JobQuerySet:
        """Jobs that have not ended."""
        return self.filter(state__in=sorted(LIVE))

    def ended(self) -> JobQuerySet:
        """Jobs in their terminal state."""
        return self.filter(state__in=sorted(TERMINAL))

    def oldest_first(self) -> JobQuerySet:
        """Order by submission, oldest first."""
        return self.order_by("created_at", "id")

    def newest_first(self) -> JobQuerySet:
        """Order by submission, newest first; the index of an owner's jobs serves it."""
        return self.order_by("-created_at", "-id")
