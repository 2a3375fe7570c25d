"""The native API: jobs. Views translate, make one call, translate back."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import Http404
from rest_framework import status
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jobs import (
    bodies,
    callers,
    claims,
    days,
    late_results,
    outlooks,
    quotes,
    requests,
    submission,
    transitions,
)
from jobs.api import representation
from jobs.bodies import StrictFormParser, StrictJSONParser
from jobs.ids import JobId
from jobs.models import Job
from jobs.requests import InvalidFields
from jobs.shield import submit_wait

_PAGE = 100


class Jobs(APIView):
    """POST, GET /api/v1/jobs."""

    parser_classes = (StrictJSONParser, StrictFormParser)

    def post(self, request: Request) -> Response:
        """Submit a request; 202 with the job. `Idempotency-Key` makes it safe to repeat.

        A form may carry an image in `input_reference`.
        """
        if wait := submit_wait(request):
            raise Throttled(wait)
        wanted = requests.read(bodies.fields(request))
        accepted = submission.submit(
            wanted, owner_id=callers.of(request).owner_id, claim=claims.of(request, wanted)
        )
        return _accepted(request, accepted)

    def get(self, request: Request) -> Response:
        """List the jobs of one day (`?day=today` or a date, `?tz=` a time zone), newest first."""
        tz = request.query_params.get("tz")
        zone = days.zone(tz) if tz else callers.of(request).zone
        day = days.day(request.query_params.get("day") or "today", zone=zone)
        start, end = days.bounds(day, zone=zone)
        owner_id = callers.of(request).owner_id
        rows = list(
            Job.objects.owned_by(owner_id)
            .created_between(start, end)
            .newest_first()
            .values(*representation.FIELDS)[:_PAGE]
        )
        whys = outlooks.explain(rows, owner_id=owner_id)
        return Response(
            {
                "day": day.isoformat(),
                "time_zone": zone.key,
                "jobs": [representation.of(row, why=whys.get(row["id"])) for row in rows],
            }
        )


class OneJob(APIView):
    """GET /api/v1/jobs/{job_id}."""

    def get(self, request: Request, job_id: UUID) -> Response:
        """Retrieve one job of the caller."""
        owner_id = callers.of(request).owner_id
        row = _row(job_id, owner_id=owner_id)
        why = outlooks.explain([row], owner_id=owner_id).get(job_id)
        return Response(representation.of(row, late=late_results.of(row), why=why))


class Cancellation(APIView):
    """POST /api/v1/jobs/{job_id}/cancellation."""

    def post(self, request: Request, job_id: UUID) -> Response:
        """Cancel a waiting job, or ask a running one to stop; `max_fee` bounds what that may cost."""
        _row(job_id, owner_id=callers.of(request).owner_id)
        transitions.cancel(
            JobId(job_id),
            owner_id=callers.of(request).owner_id,
            agreed_fee=_max_fee(bodies.fields(request)),
        )
        row = _row(job_id, owner_id=callers.of(request).owner_id)
        return Response(representation.of(row), status=status.HTTP_202_ACCEPTED)


class Retry(APIView):
    """POST /api/v1/jobs/{job_id}/retry."""

    def post(self, request: Request, job_id: UUID) -> Response:
        """Submit an ended job's request again; 202 with the new job, the same one however often."""
        if wait := submit_wait(request):
            raise Throttled(wait)
        return _accepted(request, submission.retry(job_id, owner_id=callers.of(request).owner_id))


class Quotes(APIView):
    """POST /api/v1/quotes, /api/v1/jobs/quote."""

    def post(self, request: Request) -> Response:
        """Say what a request would cost and wait. Takes the body of a submission, and submits nothing."""
        wanted = requests.read(bodies.fields(request))
        quoted = quotes.quote(wanted, owner_id=callers.of(request).owner_id)
        return Response(representation.quote(wanted, quoted))


def _accepted(request: Request, accepted: submission.Accepted) -> Response:
    # Also of a job that was deleted since: a repeated key is answered as it was.
    row = Job.objects.filter(id=accepted.job_id).values(*representation.FIELDS).get()
    headers = {"Location": f"/api/v1/jobs/{accepted.job_id}"}
    if accepted.is_replay:
        headers["Idempotent-Replayed"] = "true"
    return Response(
        representation.as_submitted(row), status=status.HTTP_202_ACCEPTED, headers=headers
    )


def _row(job_id: UUID, *, owner_id: UUID) -> dict[str, Any]:
    row: dict[str, Any] | None = (
        Job.objects.owned_by(owner_id).filter(id=job_id).values(*representation.FIELDS).first()
    )
    if row is None:
        raise Http404
    return row


def _max_fee(data: Mapping[str, Any]) -> int | None:
    fee = data.get("max_fee")
    if fee is None:
        return None
    if not isinstance(fee, int) or isinstance(fee, bool) or fee < 0:
        raise InvalidFields({"max_fee": "Send a whole number of credits, 0 or more."})
    return fee
