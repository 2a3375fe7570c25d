"""The native API: jobs. Views translate, make one call, translate back."""

import time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from django.http.response import HttpResponse, HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import (
    bodies,
    callers,
    claims,
    json_bytes,
    outlooks,
    quotes,
    requests,
    submission,
    transitions,
)
from jobs.api import (
    contract,
    filters,
    kept,
    rate_limits,
    representation,
    rows,
    shown,
    tags,
    timeline,
)
from jobs.api.base import (
    View,
    body_of,
    is_known,
    no_body,
    no_query,
    owner_of,
    tag_of,
    tagged,
    unchanged,
)
from jobs.bodies import StrictFormParser, StrictJSONParser
from jobs.entrance import Origin
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.requests import InvalidFields
from jobs.shield import submit_wait


class Jobs(View):
    """POST, GET /api/v1/jobs."""

    parser_classes = (StrictJSONParser, StrictFormParser)

    @contract.submit
    def post(self, request: Request) -> HttpResponse:
        """Submit a request; 202 with the job. `Idempotency-Key` makes it safe to repeat.

        A form may carry an image in `input_reference`.
        """
        check_flood(request)
        wanted = requests.read(bodies.fields(request))
        caller = callers.of(request)
        accepted = submission.submit(
            wanted,
            owner_id=caller.owner_id,
            claim=claims.of(request, wanted),
            origin=Origin(sent_by=caller.sender),
        )
        return accepted_answer(request, accepted)

    @contract.list_jobs
    def get(self, request: Request) -> HttpResponseBase:
        """List the jobs of one day (`?day=today`, a date or `all`, `?tz=` a time zone), newest first."""
        wanted = filters.read(request.query_params, zone=callers.of(request).zone)
        owner_id = owner_of(request)
        question = (wanted.zone.key, wanted.day, request.query_params.urlencode())
        page = rows.page(wanted, owner_id=owner_id)
        versions = tag_of(question, page.text)
        sent = request.META.get("HTTP_IF_NONE_MATCH", "")
        if known := tags.known(sent, versions, any_waits=page.any_waits):
            return unchanged(known)
        found, told_at = shown_page(page, wanted, request)
        body = {
            "day": wanted.day.isoformat() if wanted.day else None,
            "time_zone": wanted.zone.key,
            **found,
        }
        tag = tags.make(versions, told_at=told_at if page.any_waits else None)
        link = {"Link": f'<{body["next"]}>; rel="next"'} if body["next"] else {}
        return tagged(body, tag=tag, headers=link)


class OneJob(View):
    """GET /api/v1/jobs/{job_id}."""

    @contract.retrieve
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Retrieve one job of the caller, as of now."""
        owner_id = owner_of(request)
        no_query(request, "fields")
        named = request.META.get("QUERY_STRING") and request.query_params.get("fields")
        if named:
            fields = filters.fields_of(named)
            row = rows.find(job_id, owner_id=owner_id).row()
            text = kept.of(json_bytes.dump(filters.only(shown.one(row, owner_id=owner_id), fields)))
        else:
            text = shown.text(job_id, owner_id=owner_id)
        if is_known(request, text.tag):
            return unchanged(text.tag)
        return tagged(text.json, tag=text.tag)


class Cancellation(View):
    """POST /api/v1/jobs/{job_id}/cancellation."""

    @contract.cancel
    def post(self, request: Request, job_id: UUID) -> Response:
        """Cancel a waiting job, or ask a running one to stop; `max_fee` bounds what that may cost."""
        rows.stamp(job_id, owner_id=owner_of(request))
        fee = fee_of(body_of(request, "max_fee").get("max_fee"))
        transitions.cancel(JobId(job_id), owner_id=owner_of(request), agreed_fee=fee)
        owner_id = owner_of(request)
        row = rows.one(job_id, owner_id=owner_id)
        return Response(shown.one(row, owner_id=owner_id), status=status.HTTP_202_ACCEPTED)


class Retry(View):
    """POST /api/v1/jobs/{job_id}/retry."""

    @contract.retry
    def post(self, request: Request, job_id: UUID) -> HttpResponse:
        """Submit an ended job's request again; 202 with the new job, the same one however often."""
        check_flood(request)
        rows.stamp(job_id, owner_id=owner_of(request))
        no_body(request)
        caller = callers.of(request)
        accepted = submission.retry(job_id, owner_id=caller.owner_id, sent_by=caller.sender)
        return accepted_answer(request, accepted)


class Variations(View):
    """POST /api/v1/jobs/{job_id}/variations."""

    @contract.vary
    def post(self, request: Request, job_id: UUID) -> HttpResponse:
        """Submit a job's request again with another seed; 202 with the new job."""
        check_flood(request)
        rows.stamp(job_id, owner_id=owner_of(request))
        data = body_of(request, "seed")
        seed = requests.seed_of(data.get("seed"))
        accepted = submission.vary(
            job_id,
            owner_id=owner_of(request),
            seed=seed,
            claim=Claim.by_key(claims.key_of(request)),
            sent_by=callers.of(request).sender,
        )
        return accepted_answer(request, accepted)


class Timeline(View):
    """GET /api/v1/jobs/{job_id}/timeline."""

    @contract.timeline
    def get(self, request: Request, job_id: UUID) -> Response:
        """Tell what happened to a job and when: moves, tries, money."""
        no_query(request)
        return Response(timeline.of(job_id, owner_id=owner_of(request)))


class Quotes(View):
    """POST /api/v1/quotes."""

    @contract.quote
    def post(self, request: Request) -> Response:
        """Say what a request would cost and wait. Takes the body of a submission, and submits nothing."""
        wanted = requests.read(bodies.fields(request))
        quoted = quotes.quote(wanted, owner_id=owner_of(request))
        return Response(representation.quote(wanted, quoted))


def check_flood(request: Request) -> None:
    """Stop a flood of submissions. Raises Throttled."""
    if wait := submit_wait(request):
        raise Throttled(wait)


def accepted_answer(request: Request, accepted: submission.Accepted) -> HttpResponse:
    """Answer a submission: 202, where the job is, what room is left."""
    row = accepted.row
    headers = {"Location": f"/api/v1/jobs/{accepted.job_id}"}
    if row is None:
        owner_id = owner_of(request)
        # Also of a job that was deleted since: a repeated key is answered as it was.
        row = rows.one(accepted.job_id, owner_id=owner_id, also_hidden=True)
        headers["Idempotent-Replayed"] = "true"
        left = rate_limits.room(owner_id)
    else:
        left = rate_limits.room_of(accepted.places_left)
    if left:
        headers["RateLimit"] = left
    return json_bytes.answer(
        json_bytes.dump(representation.as_submitted(row)),
        status=status.HTTP_202_ACCEPTED,
        headers=headers,
    )


def shown_page(
    page: rows.Page, wanted: filters.Filter, request: Request
) -> tuple[dict[str, Any], float]:
    """Give a page's jobs and the address of the next one; and as of when it tells of those that wait, as Unix time."""
    following = None
    if page.next:
        query = {**request.query_params.dict(), "cursor": filters.cursor_text(*page.next)}
        following = f"{request.path}?{urlencode(query)}"
    owner_id = owner_of(request)
    age = 0.0
    if wanted.fields:
        read_at = outlooks.read_at() if page.any_waits else time.monotonic()
        every = shown.page(page.stamps, owner_id=owner_id)
        jobs: list[object] = [filters.only(job, wanted.fields) for job in every]
        age = time.monotonic() - read_at
    else:
        texts = shown.texts(page.stamps, owner_id=owner_id)
        jobs = [orjson.Fragment(text.json) for text in texts.values()]
        if page.any_waits:
            oldest = min(
                (text.at for stamp, text in texts.items() if rows.waits(stamp)), default=None
            )
            age = time.monotonic() - oldest if oldest is not None else 0.0
    return {"jobs": jobs, "next": following}, time.time() - age


def fee_of(fee: object) -> int | None:
    """Read the most that a cancel may cost. Raises InvalidFields."""
    if fee is None:
        return None
    if not isinstance(fee, int) or isinstance(fee, bool) or fee < 0:
        raise InvalidFields({"max_fee": "Send a whole number of credits, 0 or more."})
    return fee
