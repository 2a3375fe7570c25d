"""Giving up what waits too long where capacity is short, so that the others keep their promise.

Standby ends by its own deadline; unpaid jobs go once they waited half as long again as their tier's bound, in
the order of `admission.shedding_order`. What was paid for is never dropped.
"""

import logging
from typing import Final
from uuid import UUID

from django.db import connection

from jobs import transitions
from jobs.errors import JobMissing, TransitionRefused
from jobs.ids import JobId
from jobs.models import Tier
from jobs.requests import STANDBY
from scheduler import admission
from scheduler.admission import Standing
from scheduler.metrics import REPAIRS

logger = logging.getLogger(__name__)

# Jobs given up in one tick: the next one goes on.
_BATCH: Final = 200

# Heads by age: what waits behind one is younger. A lane at its owner's limit waits by the owner's own doing.
_OLD: Final = """
select lane.head_id, extract(epoch from now() - lane.head_since)::float8
from line join lane on lane.line_id = line.id
where line.tier_id = %s and lane.state = 1 and lane.head_since < now() - make_interval(secs => %s)
order by lane.head_since limit %s
"""


def shed() -> int:
    """End unpaid jobs that waited too long, at no charge and with a word to their owners; say how many."""
    standings = {
        tier.name: Standing(
            weight=tier.weight,
            is_paid=tier.is_paid,
            rank=tier.rank,
            bound_seconds=tier.door_bound_seconds,
        )
        for tier in Tier.objects.all()
    }
    given_up = 0
    for name in admission.shedding_order(standings):
        standing = standings[name]
        if name == STANDBY or standing.is_paid or standing.bound_seconds is None:
            continue
        for job_id, waited in _old(name, standing.bound_seconds, _BATCH - given_up):
            if admission.is_given_up(standing, waited=waited):
                given_up += _give_up(job_id, waited=waited)
    if given_up:
        REPAIRS.labels(sweep="shed").inc(given_up)
    return given_up


def _old(tier: str, seconds: float, limit: int) -> list[tuple[UUID, float]]:
    if limit <= 0:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_OLD, [tier, seconds, limit])
        rows: list[tuple[UUID, float]] = cursor.fetchall()
    return rows


def _give_up(job_id: UUID, *, waited: float) -> bool:
    message = (
        f"It waited {waited / 60:.0f} min for a GPU, and there are too few for all."
        " Submit it again later, or on standby."
    )
    try:
        transitions.give_up(JobId(job_id), message=message)
    except (TransitionRefused, JobMissing) as refusal:
        logger.info("shedding_not_needed", extra={"job": str(job_id), "reason": str(refusal)})
        return False
    return True
