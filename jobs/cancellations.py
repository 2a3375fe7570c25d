"""Cancelling many jobs in one call: bounded, each on its own, with a result for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from jobs import transitions
from jobs.errors import CancelFeeChanged, JobMissing, TransitionRefused
from jobs.ids import JobId

MOST: Final = 100


class Outcome(StrEnum):
    """What became of one wish to cancel."""

    # It waited and has ended, or runs and was asked to stop.
    CANCELED = "canceled"
    ALREADY_ENDED = "already_ended"
    FEE_CHANGED = "fee_changed"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    job_id: UUID
    outcome: Outcome


def cancel_each(job_ids: Sequence[UUID], *, owner_id: UUID, agreed_fee: int | None) -> list[Result]:
    """Cancel jobs one after another, each in a transaction of its own; `agreed_fee` bounds each one's cost."""
    return [
        Result(job_id=job_id, outcome=_cancel(job_id, owner_id=owner_id, agreed_fee=agreed_fee))
        for job_id in dict.fromkeys(job_ids)
    ]


def _cancel(job_id: UUID, *, owner_id: UUID, agreed_fee: int | None) -> Outcome:
    try:
        transitions.cancel(JobId(job_id), owner_id=owner_id, agreed_fee=agreed_fee)
    except TransitionRefused:
        return Outcome.ALREADY_ENDED
    except CancelFeeChanged:
        return Outcome.FEE_CHANGED
    except JobMissing:
        return Outcome.NOT_FOUND
    return Outcome.CANCELED
