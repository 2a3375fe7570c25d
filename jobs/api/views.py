"""The native API: jobs. Views translate, make one call, translate back."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from jobs import bodies, callers, claims, quotes, requests, submission, transitions
from jobs.api import contract, filters, rate_limits, representation, rows, shown, timeline
from jobs.api.base import (
    View,
    body_of,
    is_known,
    no_query,
    owner_of,
    tag_of,
    tagged,
    unchanged,
)
from jobs.bodies import StrictFormParser, StrictJSONParser
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.requests import InvalidFields
from jobs.shield import submit_wait
from jobs.states import JobState


class Jobs(View):
    """POST, GET /api/v1/jobs."""

    parser_classes = (StrictJSONParser, StrictFormParser)

    @contract.submit
    def post(self, request: Request) -> Response:
        """Submit a request; 202 with the job. `Idempotency-Key` makes it safe to repeat.

        A form may carry an image in `input_reference`.
        """
        check_flood(request)
        wanted = requests.read(bodies.fields(request))
        accepted = submission.submit(
            wanted, owner_id=owner_of(request), claim=claims.of(request, wanted)
        )
        return accepted_answer(request, accepted)

    @contract.list_jobs
    def get(self, request: Request) -> HttpResponseBase:
        """List the jobs of one day (`?day=today`, a date or `all`, `?tz=` a time zone), newest first."""
        wanted = filters.read(request.query_params, zone=callers.of(request).zone)
        owner_id = owner_of(request)
        question = (wanted.zone.key, wanted.day, request.query_params.urlencode())
        if '"v' in request.headers.get("If-None-Match", ""):
            digest, any_waits = rows.versions(wanted, owner_id=owner_id)
            tag = _version_tag(question, digest)
            if not any_waits and is_known(request, tag):
                return unchanged(tag)
        page = rows.page(wanted, owner_id=owner_id)
        body = {
            "day": wanted.day.isoformat() if wanted.day else None,
            "time_zone": wanted.zone.key,
            **shown_page(page, wanted, request),
        }
        # What is said of waiting jobs changes without their versions.
        waits = any(row["state"] == JobState.QUEUED for row in page.rows)
        tag = f'"w{tag_of(body)[1:]}' if waits else _version_tag(question, page.digest)
        if is_known(request, tag):
            return unchanged(tag)
        link = {"Link": f'<{body["next"]}>; rel="next"'} if body["next"] else {}
        return tagged(body, tag=tag, headers=link)


class OneJob(View):
    """GET /api/v1/jobs/{job_id}."""

    @contract.retrieve
    def get(self, request: Request, job_id: UUID) -> HttpResponseBase:
        """Retrieve one job of the caller, as of now."""
        no_query(request, "fields")
        named = request.query_params.get("fields")
        fields = filters.fields_of(named) if named else None
        owner_id = owner_of(request)
        job = shown.one(rows.one(job_id, owner_id=owner_id), owner_id=owner_id)
        tag = job_tag(job, fields)
        if is_known(request, tag):
            return unchanged(tag)
        return tagged(filters.only(job, fields), tag=tag)


class Cancellation(View):
    """POST /api/v1/jobs/{job_id}/cancellation."""

    @contract.cancel
    def post(self, request: Request, job_id: UUID) -> Response:
        """Cancel a waiting job, or ask a running one to stop; `max_fee` bounds what that may cost."""
        rows.one(job_id, owner_id=owner_of(request))
        fee = fee_of(body_of(request, "max_fee").get("max_fee"))
        transitions.cancel(JobId(job_id), owner_id=owner_of(request), agreed_fee=fee)
        owner_id = owner_of(request)
        row = rows.one(job_id, owner_id=owner_id)
        return Response(shown.one(row, owner_id=owner_id), status=status.HTTP_202_ACCEPTED)


class Retry(View):
    """POST /api/v1/jobs/{job_id}/retry."""

    @contract.retry
    def post(self, request: Request, job_id: UUID) -> Response:
        """Submit an ended job's request again; 202 with the new job, the same one however often."""
        check_flood(request)
        rows.one(job_id, owner_id=owner_of(request))
        return accepted_answer(request, submission.retry(job_id, owner_id=owner_of(request)))


class Variations(View):
    """POST /api/v1/jobs/{job_id}/variations."""

    @contract.vary
    def post(self, request: Request, job_id: UUID) -> Response:
        """Submit a job's request again with another seed; 202 with the new job."""
        check_flood(request)
        rows.one(job_id, owner_id=owner_of(request))
        data = body_of(request, "seed")
        seed = requests.seed_of(data.get("seed"))
        accepted = submission.vary(
            job_id,
            owner_id=owner_of(request),
            seed=seed,
            claim=Claim.by_key(claims.key_of(request)),
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


def accepted_answer(request: Request, accepted: submission.Accepted) -> Response:
    """Answer a submission: 202, where the job is, what room is left."""
    owner_id = owner_of(request)
    # Also of a job that was deleted since: a repeated key is answered as it was.
    row = rows.one(accepted.job_id, owner_id=owner_id, also_hidden=True)
    headers = {"Location": f"/api/v1/jobs/{accepted.job_id}"}
    if accepted.is_replay:
        headers["Idempotent-Replayed"] = "true"
    if left := rate_limits.room(owner_id):
        headers["RateLimit"] = left
    return Response(
        representation.as_submitted(row), status=status.HTTP_202_ACCEPTED, headers=headers
    )


def shown_page(page: rows.Page, wanted: filters.Filter, request: Request) -> dict[str, Any]:
    """Give a page's jobs and the address of the next one."""
    following = None
    if page.next:
        query = {**request.query_params.dict(), "cursor": filters.cursor_text(*page.next)}
        following = f"{request.path}?{urlencode(query)}"
    return {
        "jobs": [
            filters.only(job, wanted.fields)
            for job in shown.each(page.rows, owner_id=owner_of(request))
        ],
        "next": following,
    }


def job_tag(job: dict[str, Any], fields: tuple[str, ...] | None = None) -> str:
    """Make a job's tag: its version, and what changes without it."""
    return tag_of(
        job["id"],
        job["version"],
        job["progress"],
        job["waiting"],
        job["credits"],
        job["late_result"],
        fields,
    )


def fee_of(fee: object) -> int | None:
    """Read the most that a cancel may cost. Raises InvalidFields."""
    if fee is None:
        return None
    if not isinstance(fee, int) or isinstance(fee, bool) or fee < 0:
        raise InvalidFields({"max_fee": "Send a whole number of credits, 0 or more."})
    return fee


def _version_tag(question: tuple[object, ...], digest: str) -> str:
    return f'"v{tag_of(question, digest)[1:]}'
