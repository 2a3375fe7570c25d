"""Several jobs in one call: submitting up to 20, cancelling up to 100."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import QueryDict
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import batches, callers, cancellations, claims, requests
from jobs.api import contract, filters, rate_limits, representation, rows
from jobs.api.base import View, body_of, owner_of
from jobs.api.views import check_flood, fee_of
from jobs.errors import JobError
from jobs.models import Job
from jobs.requests import InvalidFields, VideoRequest
from jobs.states import LIVE


class Batches(View):
    """POST /api/v1/batches."""

    @contract.submit_batch
    def post(self, request: Request) -> Response:
        """Submit up to 20 requests. Each is accepted or refused on its own; a repeated key goes on."""
        check_flood(request)
        wanted = _requests(body_of(request, "jobs").get("jobs"))
        owner_id = owner_of(request)
        sender = callers.of(request).sender
        made = batches.submit(wanted, owner_id=owner_id, key=claims.key_of(request), sent_by=sender)
        ids = [result.accepted.job_id for result in made.results if result.accepted]
        found = rows.many(ids, owner_id=owner_id)
        body = {
            "id": str(made.batch_id),
            "accepted": len(ids),
            "refused": len(made.results) - len(ids),
            "results": [_result(result, found) for result in made.results],
        }
        headers = {"Idempotent-Replayed": "true"} if made.is_replay else {}
        if left := rate_limits.room(owner_id):
            headers["RateLimit"] = left
        if waits := [wait for result in made.results if (wait := _wait(result.refusal))]:
            headers["Retry-After"] = str(max(waits))
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)


class Cancellations(View):
    """POST /api/v1/jobs/cancellations."""

    @contract.cancel_many
    def post(self, request: Request) -> Response:
        """Cancel up to 100 jobs, named by `ids` or by a `filter`; a result for each."""
        data = body_of(request, "ids", "filter", "max_fee")
        fee = fee_of(data.get("max_fee"))
        owner_id = owner_of(request)
        if ("ids" in data) == ("filter" in data):
            raise InvalidFields({"ids": "Send either ids or filter."})
        named = _ids(data["ids"]) if "ids" in data else _filtered(data["filter"], request)
        mine = set(Job.objects.owned_by(owner_id).filter(id__in=named).values_list("id", flat=True))
        results = {
            result.job_id: result.outcome
            for result in cancellations.cancel_each(
                [job_id for job_id in named if job_id in mine], owner_id=owner_id, agreed_fee=fee
            )
        }
        shown = [
            {
                "job_id": str(job_id),
                "outcome": results.get(job_id, cancellations.Outcome.NOT_FOUND).value,
            }
            for job_id in dict.fromkeys(named)
        ]
        return Response({"results": shown, "more": len(named) == cancellations.MOST})


def _requests(value: object) -> list[VideoRequest]:
    if not isinstance(value, list) or not 1 <= len(value) <= batches.LARGEST:
        raise InvalidFields({"jobs": f"Send a list of 1 to {batches.LARGEST} requests."})
    found, faults = [], {}
    for position, one in enumerate(value):
        if not isinstance(one, Mapping):
            faults[f"jobs[{position}]"] = "Send a JSON object."
            continue
        try:
            found.append(requests.read(one))
        except InvalidFields as invalid:
            faults |= {f"jobs[{position}].{name}": text for name, text in invalid.faults.items()}
    if faults:
        raise InvalidFields(faults)
    return found


def _ids(value: object) -> list[UUID]:
    if not isinstance(value, list) or not 1 <= len(value) <= cancellations.MOST:
        raise InvalidFields({"ids": f"Send a list of 1 to {cancellations.MOST} ids."})
    found = []
    for one in value:
        try:
            found.append(UUID(str(one)))
        except ValueError:
            raise InvalidFields({"ids": f"{str(one)[:64]!r} is not the id of a job."}) from None
    return found


def _filtered(value: object, request: Request) -> list[UUID]:
    known = {"status", "model", "text", "batch", "day", "tz"}
    if not isinstance(value, Mapping) or set(value) - known:
        names = ", ".join(sorted(known))
        raise InvalidFields({"filter": f"Send an object with some of: {names}."})
    if not all(isinstance(one, str) for one in value.values()):
        raise InvalidFields({"filter": "Its values are text."})
    query = QueryDict(mutable=True)
    query.update({"status": "live", **value})
    wanted = filters.read(query, zone=callers.of(request).zone, day="all")
    if wanted.states is not None and not wanted.states <= LIVE:
        raise InvalidFields({"filter": "Only jobs that have not ended can be cancelled."})
    return [
        UUID(str(found))
        for found in rows.ids(wanted, owner_id=owner_of(request), most=cancellations.MOST)
    ]


def _result(result: batches.Result, found: Mapping[UUID, Mapping[str, Any]]) -> dict[str, Any]:
    if result.accepted:
        job = representation.as_submitted(found[result.accepted.job_id])
        return {"job": job, "error": None}
    error = result.refusal
    body = {"code": getattr(error, "code", "refused"), "message": str(error)}
    for name in ("limit", "value"):
        body[name] = getattr(error, name, None)
    body["retry_after_seconds"] = _wait(error)
    return {"job": None, "error": body}


def _wait(error: JobError | None) -> int | None:
    return getattr(error, "retry_after_seconds", None)
