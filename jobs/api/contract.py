"""What each route takes and answers, for the OpenAPI document. Nothing here runs when a request does."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema

from jobs import batches, cancellations
from jobs.api.filters import DEFAULT_LIMIT, LARGEST_LIMIT, TEXT_LIMIT
from jobs.api.shapes import ID, a_list, an_object, ref, text, whole
from jobs.requests import KEY_LIMIT

Handler = TypeVar("Handler", bound=Callable[..., Any])

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "A field or parameter cannot be used; `errors` names each.",
    401: "No key, or not a valid one.",
    403: "Not allowed.",
    404: "There is no such thing, or it is not yours.",
    409: "Not possible in the present state.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "A limit of your plan, named by `limit`; `Retry-After` says when to come back.",
    503: "Not possible at this moment; `Retry-After` says when to come back.",
}
# Any call may find the database away.
_AWAY: Final = 503
_READ: Final = (400, 401, 403)
_ONE: Final = (*_READ, 404)
_SUBMIT: Final = (*_READ, 409, 413, 415, 422, 429, 503)
_WRITE: Final = (*_ONE, 409, 413, 415)


def _query(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, OpenApiParameter.QUERY, description=description
    )


def _header(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, OpenApiParameter.HEADER, description=description
    )


def _answer(name: str, description: str, code: int = 200) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        {"type": "string"},
        OpenApiParameter.HEADER,
        description=description,
        response=[code],
    )


def _problem(status: int) -> OpenApiResponse:
    return OpenApiResponse(response=ref("Problem"), description=_PROBLEMS[status])


def route(
    operation_id: str,
    *,
    tag: str,
    answer: str | None,
    status: int = 200,
    body: Mapping[str, Any] | None = None,
    parameters: tuple[OpenApiParameter, ...] = (),
    problems: tuple[int, ...] = _READ,
    example: Any = None,
    more: Mapping[Any, Any] | None = None,
) -> Callable[[Handler], Handler]:
    """Describe a route: its name, what it takes, and every answer that it may give."""
    responses: dict[Any, Any] = dict(more or {})
    if answer:
        examples = [OpenApiExample("Example", value=example)] if example is not None else []
        responses[status, "application/json"] = OpenApiResponse(
            response=ref(answer), description="Done.", examples=examples
        )
    else:
        responses[status] = OpenApiResponse(description="Done.")
    for code in sorted({*problems, _AWAY}):
        responses[code, "application/problem+json"] = _problem(code)
    decorated: Callable[[Handler], Handler] = extend_schema(
        operation_id=operation_id,
        tags=[tag],
        request={"application/json": dict(body)} if body else None,
        responses=responses,
        parameters=list(parameters),
    )
    return decorated


_KEY: Final = _header(
    "Idempotency-Key",
    "Makes the call safe to repeat: the same key gives the same jobs.",
    minLength=1,
    maxLength=KEY_LIMIT,
    pattern="^[ -~]+$",
)
_FIELDS: Final = _query("fields", "Names of the fields to answer, with commas.")
_TZ: Final = _query("tz", "An IANA time zone; that of your profile without it.")
_LIMIT: Final = _query(
    "limit",
    "Rows of a page.",
    type="integer",
    minimum=1,
    maximum=LARGEST_LIMIT,
    default=DEFAULT_LIMIT,
)
_CURSOR: Final = _query("cursor", "From a `next` link, unchanged.")
_TAG: Final = _header("If-None-Match", "The ETag that you have: 304 when nothing changed.")
_NOT_MODIFIED: Final = {304: OpenApiResponse(description="As you have it.")}
_ETAG: Final = _answer("ETag", "Send it as If-None-Match.")
_LIST: Final = (
    _query("day", "today, a date as YYYY-MM-DD, or all."),
    _TZ,
    _query("status", "States with commas, or live, ended."),
    _query("model", "A model's name."),
    _query("text", "Part of the prompt, in any case.", maxLength=TEXT_LIMIT),
    _query("batch", "A batch's id.", format="uuid"),
    _LIMIT,
    _CURSOR,
    _FIELDS,
    _TAG,
    _ETAG,
)
_AFTER: Final = _query("after", "The last number that you have.", type="integer", minimum=0)
_REQUEST_EXAMPLE: Final = {"prompt": "A lighthouse at blue hour", "seconds": 4}
_JOB: Final[dict[str, Any]] = {
    "id": "019adf2e-7c1a-7d43-9a54-0b3c6a0a1f11",
    "state": "queued",
    "version": 1,
    "attempt": 0,
    "prompt": "A lighthouse at blue hour",
    "model": "preview",
    "seconds": 4,
    "size": "854x480",
    "seed": None,
    "progress": 0,
    "waiting": {
        "reason": "slots_busy",
        "sentence": "It starts as soon as a GPU is free and it is your turn.",
        "position": None,
        "start_range": None,
        "finish_range": None,
    },
    "credits": {"reserved": 4, "charged": 0, "cancel_fee": 0},
    "video_url": None,
    "video_expires_at": None,
    "thumbnail_url": None,
    "late_result": None,
    "error": None,
    "retry_of": None,
    "variation_of": None,
    "batch_id": None,
    "standby": False,
    "cancel_requested_at": None,
    "start_by": None,
    "finish_by": None,
    "created_at": "2026-11-21T12:00:00.000000Z",
    "started_at": None,
    "finished_at": None,
}
_EVENT: Final = {
    "sequence": 42,
    "name": "job.succeeded",
    "subject_id": _JOB["id"],
    "payload": {"state": "succeeded", "attempt": 1, "version": 4},
    "at": "2026-11-21T12:00:31.000000+00:00",
}
_STREAM: Final = {
    (200, "text/event-stream"): OpenApiResponse(
        response=text("Server-sent events; `id` is the sequence number."), description="A stream."
    ),
    307: OpenApiResponse(description="The push process answers; its address is good for 30 s."),
}
_SUBMITTED: Final = (
    _answer("Location", "Where the job is.", 202),
    _answer("RateLimit", "What is left (draft-ietf-httpapi-ratelimit-headers-10).", 202),
    _answer("Idempotent-Replayed", "true when an earlier call had made it.", 202),
)
_MAX_FEE: Final = {
    "type": ["integer", "null"],
    "minimum": 0,
    "description": "The most credits that a cancel may cost; any without it.",
}
_JOBS: Final = "Jobs"
_FOLLOW: Final = "Following"
_ACCOUNT: Final = "Account"

submit = route(
    "submit_job", tag=_JOBS, answer="Job", status=202, body=ref("JobRequest"),
    parameters=(_KEY, *_SUBMITTED), problems=_SUBMIT, example=_JOB,
)  # fmt: skip
list_jobs = route(
    "list_jobs", tag=_JOBS, answer="JobPage", parameters=_LIST, more=_NOT_MODIFIED,
    example={"day": "2026-11-21", "time_zone": "Europe/Lisbon", "jobs": [_JOB], "next": None},
)  # fmt: skip
retrieve = route(
    "retrieve_job", tag=_JOBS, answer="JobFields", parameters=(_FIELDS, _TAG, _ETAG), problems=_ONE,
    example=_JOB, more=_NOT_MODIFIED,
)  # fmt: skip
cancel = route(
    "cancel_job", tag=_JOBS, answer="Job", status=202, problems=_WRITE,
    body=an_object("How.", optional=("max_fee",), max_fee=_MAX_FEE),
    example=_JOB | {"state": "canceled", "version": 2},
)  # fmt: skip
retry = route(
    "retry_job", tag=_JOBS, answer="Job", status=202, problems=(*_SUBMIT, 404),
    parameters=_SUBMITTED, example=_JOB | {"retry_of": _JOB["id"]},
)  # fmt: skip
vary = route(
    "vary_job", tag=_JOBS, answer="Job", status=202, problems=(*_SUBMIT, 404),
    parameters=(_KEY, *_SUBMITTED),
    body=an_object(
        "With which seed.", optional=("seed",),
        seed={"type": ["integer", "string", "null"], "description": "One is chosen without it."},
    ),
    example=_JOB | {"variation_of": _JOB["id"], "seed": 7},
)  # fmt: skip
timeline = route("job_timeline", tag=_JOBS, answer="Timeline", problems=_ONE)
quote = route(
    "quote_job", tag=_JOBS, answer="Quote", body=ref("JobRequest"), problems=(*_READ, 413, 415),
    example={
        "credits": 4, "balance": 196, "is_affordable": True, "gpu_seconds": 9.0, "waiting": None,
        "refusal": None, "cancel": {"waiting": 0, "running": 2},
    },
)  # fmt: skip
submit_batch = route(
    "submit_batch", tag=_JOBS, answer="Batch", status=202, parameters=(_KEY,), problems=_SUBMIT,
    body=an_object(
        "Several videos to make.",
        jobs=a_list(ref("JobRequest"), minItems=1, maxItems=batches.LARGEST),
    ),
    example={
        "id": _JOB["id"], "accepted": 1, "refused": 0, "results": [{"job": _JOB, "error": None}],
    },
)  # fmt: skip
cancel_many = route(
    "cancel_jobs", tag=_JOBS, answer="Cancellations", problems=_WRITE,
    body=an_object(
        "Either ids or filter.", optional=("ids", "filter", "max_fee"),
        ids=a_list(ID, minItems=1, maxItems=cancellations.MOST),
        filter=an_object(
            "As the parameters of the list; of live jobs, of any day.",
            optional=("status", "model", "text", "batch", "day", "tz"),
            status=text(), model=text(), text=text(), batch=text(), day=text(), tz=text(),
        ),
        max_fee=_MAX_FEE,
    ),
    example={"results": [{"job_id": _JOB["id"], "outcome": "canceled"}], "more": False},
)  # fmt: skip
today = route("today", tag=_FOLLOW, answer="Today", parameters=_LIST, more=_NOT_MODIFIED)
events = route(
    "events", tag=_FOLLOW, answer="Events", more=_STREAM,
    parameters=(_AFTER, _header("Last-Event-ID", "As `after`, from an EventSource.")),
    example={"events": [_EVENT], "head": 42, "reset": False, "more": False},
)  # fmt: skip
job_events = route(
    "job_events", tag=_FOLLOW, answer="Events", problems=_ONE,
    more={**_STREAM, 204: OpenApiResponse(description="It has ended, and you know: stay away.")},
    parameters=(_AFTER, _header("Last-Event-ID", "As `after`, from an EventSource.")),
)  # fmt: skip
wait = route(
    "wait_for_job", tag=_FOLLOW, answer="Job", problems=_ONE, example=_JOB,
    more={307: _STREAM[307]},
    parameters=(
        _query(
            "version", "Answer as soon as the job has another one; at its end without it.",
            type="integer", minimum=0, maximum=999_999_999,
        ),
        _query("timeout", "Seconds at most.", type="integer", minimum=0, maximum=30, default=30),
        _ETAG,
    ),
)  # fmt: skip
limits = route("limits", tag=_ACCOUNT, answer="Limits")
credits_of = route("credits", tag=_ACCOUNT, answer="Credits", example={"balance": 196, "held": 4})
ledger = route("ledger", tag=_ACCOUNT, answer="Ledger", parameters=(_LIMIT, _CURSOR))
notifications = route(
    "notifications", tag=_ACCOUNT, answer="Notifications",
    parameters=(
        _query("unread", "true gives only what was not read.", enum=["true", "false"]),
        _LIMIT, _CURSOR,
    ),
)  # fmt: skip
mark = route(
    "mark_notification", tag=_ACCOUNT, answer="Notification", problems=(*_ONE, 413, 415),
    body=an_object("Whether it was read.", is_read={"type": "boolean"}),
)  # fmt: skip
mark_all = route(
    "read_notifications", tag=_ACCOUNT,
    answer="Marked", problems=(*_READ, 413, 415),
    body=an_object("Up to which.", up_to=whole(minimum=0, maximum=2**63 - 1)),
    example={"marked": 3, "unread": 0},
)  # fmt: skip
models = route("models", tag="Offers", answer="Models")
tiers = route("tiers", tag="Offers", answer="Tiers")
