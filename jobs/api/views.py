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

from jobs import callers, days, requests, submission, transitions
from jobs.api import representation
from jobs.ids import JobId
from jobs.models import Job
from jobs.requests import InvalidFields
from jobs.shield import submit_wait

_PAGE = 100


class Jobs(APIView):
    """POST, GET /api/v1/jobs."""

    def post(self, request: Request) -> Response:
        """Submit a request; 202 with the job. `Idempotency-Key` makes it safe to repeat."""
        if wait := submit_wait(request):
            raise Throttled(wait)
        data = request.data
        if not isinstance(data, Mapping):
            raise InvalidFields({"body": "Send a JSON object."})
        accepted = submission.submit(
            requests.read(data), owner_id=callers.of(request).owner_id, key=_key(request)
        )
        body = representation.as_submitted(
            _row(accepted.job_id, owner_id=callers.of(request).owner_id)
        )
        headers = {"Location": f"/api/v1/jobs/{accepted.job_id}"}
        if accepted.is_replay:
            headers["Idempotent-Replayed"] = "true"
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)

    def get(self, request: Request) -> Response:
        """List the jobs of one day (`?day=today` or a date, `?tz=` a time zone), newest first."""
        tz = request.query_params.get("tz")
        zone = days.zone(tz) if tz else callers.of(request).zone
        day = days.day(request.query_params.get("day") or "today", zone=zone)
        start, end = days.bounds(day, zone=zone)
        rows = (
            Job.objects.owned_by(callers.of(request).owner_id)
            .created_between(start, end)
            .newest_first()
            .values(*representation.FIELDS)[:_PAGE]
        )
        return Response(
            {
                "day": day.isoformat(),
                "time_zone": zone.key,
                "jobs": [representation.of(row) for row in rows],
            }
        )


class OneJob(APIView):
    """GET /api/v1/jobs/{job_id}."""

    def get(self, request: Request, job_id: UUID) -> Response:
        """Retrieve one job of the caller."""
        return Response(representation.of(_row(job_id, owner_id=callers.of(request).owner_id)))


class Cancellation(APIView):
    """POST /api/v1/jobs/{job_id}/cancellation."""

    def post(self, request: Request, job_id: UUID) -> Response:
        """Cancel a waiting job, or ask a running one to stop."""
        _row(job_id, owner_id=callers.of(request).owner_id)
        transitions.cancel(JobId(job_id), owner_id=callers.of(request).owner_id)
        row = _row(job_id, owner_id=callers.of(request).owner_id)
        return Response(representation.of(row), status=status.HTTP_202_ACCEPTED)


def _row(job_id: UUID, *, owner_id: UUID) -> dict[str, Any]:
    row: dict[str, Any] | None = (
        Job.objects.owned_by(owner_id).filter(id=job_id).values(*representation.FIELDS).first()
    )
    if row is None:
        raise Http404
    return row


def _key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= requests.KEY_LIMIT or not key.isprintable():
        raise InvalidFields(
            {"Idempotency-Key": f"Send 1 to {requests.KEY_LIMIT} printable characters."}
        )
    return key
