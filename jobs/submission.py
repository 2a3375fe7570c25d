"""Accepting a request: let in, known already, or refused for a true reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import psycopg.errors
from django.db import OperationalError, transaction

from jobs import entrance, idempotency, journal, ledger, moderation, refusals, requests
from jobs.entrance import Origin
from jobs.errors import Busy, JobMissing, RetryRefused, StillInProgress
from jobs.idempotency import Claim
from jobs.ids import JobId, new_job_id
from jobs.metrics import SUBMISSIONS
from jobs.models import Job
from jobs.requests import VideoRequest
from jobs.states import TERMINAL, JobState
from notifications import traces, wakeup

_NO_CLAIM: Final = Claim()
_OF_ITSELF: Final = Origin()
# Room may come while a refusal is written; whoever sees that so often is told to come again.
_LOOKS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The job of a request, and whether an equal request had made it so many seconds ago."""

    job_id: JobId
    is_replay: bool
    seconds_ago: float = 0.0
    # What was written, by the columns of the job; None for a replay, whose job was written before.
    row: Mapping[str, Any] | None = None
    # Places in the plan's line after this job; None where the plan has no such limit, and for a replay.
    places_left: int | None = None


def submit(
    request: VideoRequest,
    *,
    owner_id: UUID,
    claim: Claim = _NO_CLAIM,
    origin: Origin = _OF_ITSELF,
) -> Accepted:
    """Accept a request, or refuse it.

    A refusal at the door writes the caller's next place and its ticket, nothing else. A request that its
    claim knows gives back the earlier job. Raises PromptRefused, ModerationAway, QuotaExceeded, NoRoom,
    KeyReused, when another submission of the account does not end in time StillInProgress or Busy, and
    InvalidFields when the image of an earlier request is not kept any more.
    """
    moderation.check(request.prompt, owner_id=owner_id)
    for _ in range(_LOOKS):
        try:
            accepted = _take(request, owner_id=owner_id, claim=claim, origin=origin)
        except OperationalError as error:
            if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise
            raise (Busy() if claim.key is None else StillInProgress(claim.key)) from error
        if accepted is not None:
            return accepted
    raise refusals.at_this_moment()


def retry(job_id: UUID, *, owner_id: UUID, sent_by: str = "") -> Accepted:
    """Submit an ended job's request again: a new job with a reservation of its own, one per ended job.

    Raises JobMissing, InvalidFields when no pool can make it any more, RetryRefused when it has not
    ended or has a video, and what `submit` raises.
    """
    job = Job.objects.owned_by(owner_id).filter(id=job_id).first()
    if job is None:
        raise JobMissing(job_id)
    state = JobState(job.state)
    if state not in TERMINAL or state is JobState.SUCCEEDED:
        raise RetryRefused(job_id=job_id, current=state)
    return submit(
        _again(requests.of_job(job)),
        owner_id=owner_id,
        claim=Claim.by_retried_job(job_id),
        origin=Origin(retry_of=job_id, sent_by=sent_by),
    )


def vary(
    job_id: UUID,
    *,
    owner_id: UUID,
    seed: int | None = None,
    claim: Claim = _NO_CLAIM,
    sent_by: str = "",
) -> Accepted:
    """Submit a job's request again with another seed, at today's price; without a seed one is chosen.

    With a key the choice is the key's, so that a repeat is the same request. Raises JobMissing,
    InvalidFields, and what `submit` raises.
    """
    job = Job.objects.owned_by(owner_id).filter(id=job_id).first()
    if job is None:
        raise JobMissing(job_id)
    fields = requests.of_job(job).fields()
    source = fields.pop("remixed_from", None)
    chosen = requests.another_seed(job.seed, of=claim.key, job_id=job_id) if seed is None else seed
    return submit(
        requests.read(fields | {"seed": chosen}, remixed_from=source),
        owner_id=owner_id,
        claim=claim,
        origin=Origin(variation_of=job_id, sent_by=sent_by),
    )


def _take(
    request: VideoRequest, *, owner_id: UUID, claim: Claim, origin: Origin
) -> Accepted | None:
    """Accept, give back the earlier job, or raise the refusal; None when there is room by now."""
    job_id = new_job_id()
    found = entrance.enter(request, owner_id=owner_id, job_id=job_id, claim=claim, origin=origin)
    if found.is_entered:
        SUBMISSIONS.labels(tier=found.tier, outcome="accepted").inc()
        traces.begun.set(job_id)
        transaction.on_commit(lambda: _announce(job_id, kind=request.kind))
        return Accepted(
            job_id=job_id,
            is_replay=False,
            row=_row(job_id, request, origin=origin, found=found),
            places_left=found.places_left,
        )
    is_refused = not found.has_passed
    if earlier := idempotency.find(
        claim, request=request, owner_id=owner_id, is_refused=is_refused
    ):
        if claim.is_first_try:
            idempotency.overtaken(claim, owner_id=owner_id)
        return Accepted(job_id=earlier.job_id, is_replay=True, seconds_ago=earlier.seconds_ago)
    if found.has_passed:
        raise AssertionError("A submission had a place and was neither entered nor a replay.")
    if ledger.grant_months([owner_id], limit=1):
        return None
    if (refusal := refusals.refuse(request, owner_id=owner_id)) is not None:
        raise refusal
    return None


def _announce(job_id: JobId, *, kind: str) -> None:
    wakeup.wake(wakeup.about(wakeup.DISPATCHER, kind), wakeup.RELAY)
    journal.moved(job_id, attempt=0, to="queued", cause="submission")


def _row(
    job_id: JobId, request: VideoRequest, *, origin: Origin, found: entrance.Outcome
) -> Mapping[str, Any]:
    """Give the columns of a new job that its request decides and that never change."""
    return {
        "id": job_id,
        "prompt": request.prompt,
        "model": request.model,
        "seconds": request.seconds,
        "size": request.size,
        "seed": request.seed,
        "estimate": request.estimate,
        "credits_reserved": request.credits,
        "retry_of": origin.retry_of,
        "variation_of": origin.variation_of,
        "batch_id": origin.batch_id,
        "remixed_from": request.remixed_from,
        "tier_id": found.tier,
        "created_at": found.created_at,
        "start_by": found.start_by,
        "finish_by": found.finish_by,
    }


def _again(earlier: VideoRequest) -> VideoRequest:
    fields = earlier.fields()
    return requests.read(fields, remixed_from=fields.pop("remixed_from", None))
