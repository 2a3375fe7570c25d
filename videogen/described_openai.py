"""The routes below /v1/, as the API's contract describes them: the documented fields of OpenAI's API, and ours beside.

Source: the OpenAI API reference, "Videos", "Models", "Webhook endpoints" and "Errors".
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
)

from jobs.api.shapes import Schema, a_list, an_object, or_null, ref, text, whole
from jobs.openai import models, views, webhooks
from jobs.requests import KEY_LIMIT, LONGEST_DEADLINE, PROMPT_LIMIT, SHORTEST_DEADLINE
from jobs.states import JobState
from videogen import described

_TAG: Final = "For OpenAI clients"
_FLAG: Final = {"type": "boolean"}
_TIME: Final = whole("Unix seconds.")
_RANGE: Final = or_null(a_list(whole(), minItems=2, maxItems=2, description="From, to."))
_ID: Final = or_null(text())
_ERRORS: Final[Mapping[int, str]] = {
    400: "A field or parameter cannot be used; `param` names one.",
    401: "No key, or not a valid one.",
    403: "The key may not do this.",
    404: "There is no such thing, or it is not yours.",
    409: "Not possible in the present state.",
    413: "The body is too large.",
    415: "The body is neither JSON nor a form.",
    422: "The Idempotency-Key was used for another request.",
    429: "A limit; `x-should-retry` says whether `Retry-After` helps.",
    503: "Not possible at this moment.",
}
# Any call may find the database away.
_AWAY: Final = 503
_READ: Final = (400, 401, 403)
_ONE: Final = (*_READ, 404)
_WRITE: Final = (*_ONE, 409, 413, 415, 429)
_SUBMIT: Final = (*_WRITE, 422, 503)

_ENDPOINT_MEMBERS: Final[dict[str, Schema]] = {
    "id": text("`whe_` and 32 digits; the native API shows the same one as a UUID."),
    "object": text(enum=["webhook_endpoint"]),
    "created_at": _TIME,
    "updated_at": _TIME,
    "event_types": a_list(text()),
    "name": text(),
    "url": text(),
    "signing_secret_hint": text("The end of the secret, to tell secrets apart."),
    "is_enabled": _FLAG,
    "disabled_reason": or_null(text()),
    "old_secret_until": or_null(whole("Unix seconds: until then the old secret signs too.")),
}


def _page_of(name: str) -> Schema:
    return an_object(
        "One page of a list.",
        object=text(enum=["list"]),
        data=a_list(ref(name)),
        has_more=_FLAG,
        first_id=_ID,
        last_id=or_null(text("Send it as `after` for the next page.")),
    )


def _deleted(kind: str) -> Schema:
    return an_object("It is gone.", id=text(), object=text(enum=[kind]), deleted=_FLAG)


SCHEMAS: Final[dict[str, Schema]] = {
    "OpenAIError": an_object(
        "Every answer below /v1/ that is no success.",
        error=an_object(
            "What is wrong.",
            message=text(),
            type=text(),
            param=or_null(text()),
            code=or_null(text()),
        ),
    ),
    "OpenAIVideo": an_object(
        "A video. From `state` on it is more than the documented fields.",
        optional=(
            "wait_reason",
            "wait_sentence",
            "queue_position",
            "estimated_start",
            "estimated_finish",
            "inference_time_s",
        ),
        id=text("`video_` and 32 digits; the native API shows the same one as a UUID."),
        object=text(enum=["video"]),
        status=text(enum=["queued", "in_progress", "completed", "failed"]),
        progress=whole("Percent.", minimum=0, maximum=100),
        created_at=_TIME,
        completed_at=or_null(_TIME),
        expires_at=or_null(_TIME),
        model=text(),
        prompt=or_null(text()),
        seconds=text(),
        size=text("WIDTHxHEIGHT, pixels."),
        remixed_from_video_id=_ID,
        error=or_null(an_object("Why there is no video.", code=text(), message=text())),
        state=text("As the native API calls it.", enum=list(JobState.values)),
        seed=or_null(whole()),
        cancel_requested=_FLAG,
        credits=an_object("Credits of the video.", reserved=whole(), charged=whole()),
        wait_reason=text("Why it waits; while it waits."),
        wait_sentence=text("The same for people."),
        queue_position=or_null(whole("About how many start before it.")),
        estimated_start=_RANGE,
        estimated_finish=_RANGE,
        inference_time_s={"type": "number", "description": "How long it was generated."},
    ),
    "OpenAIVideos": _page_of("OpenAIVideo"),
    "OpenAIDeletedVideo": _deleted("video.deleted"),
    "OpenAIModel": an_object(
        "A model, with what it can make.",
        id=text(),
        object=text(enum=["model"]),
        created=_TIME,
        owned_by=text(),
        seconds=a_list(text()),
        sizes=a_list(text()),
        takes_image=_FLAG,
        can_remix=_FLAG,
    ),
    "OpenAIModels": an_object(
        "Every model, the default first.",
        object=text(enum=["list"]),
        data=a_list(ref("OpenAIModel")),
    ),
    "OpenAIEndpoint": an_object("An address that is told of events.", **_ENDPOINT_MEMBERS),
    "OpenAINewEndpoint": an_object(
        "An endpoint with a new secret.",
        **_ENDPOINT_MEMBERS,
        signing_secret=text("whsec_..., shown only now: keep it."),
    ),
    "OpenAIEndpoints": _page_of("OpenAIEndpoint"),
    "OpenAIDeletedEndpoint": _deleted("webhook_endpoint.deleted"),
    "OpenAIEndpointTest": an_object(
        "A test that was answered, whatever the answer was.",
        object=text(enum=["webhook_endpoint.test"]),
        event_type=text(),
        status_code=whole(),
        success=_FLAG,
        webhook_endpoint_id=text(),
    ),
    "OpenAIEventTypes": an_object(
        "What endpoints can be told of.", object=text(enum=["list"]), data=a_list(text())
    ),
}

_WITHIN: Final = {
    "type": ["integer", "string", "null"],
    "minimum": SHORTEST_DEADLINE,
    "maximum": LONGEST_DEADLINE,
}
_CREATE: Final[dict[str, Schema]] = {
    "prompt": text(minLength=1, maxLength=PROMPT_LIMIT),
    "model": text("One of /v1/models; the first without it."),
    "seconds": text("Of those that the model makes; 4 without it."),
    "size": text("Of those that the model makes; 720x1280 without it, where it makes that."),
    "seed": {"type": ["integer", "string", "null"], "description": "Same seed, same video."},
    "start_within": _WITHIN,
    "finish_within": _WITHIN,
    "standby": {"type": ["boolean", "string"], "description": "It runs when nobody else waits."},
}
_JSON: Final = an_object(
    "A video to make.",
    optional=[name for name in (*_CREATE, "input_reference") if name != "prompt"],
    **_CREATE,
    input_reference=an_object("An image.", image_url=text("data:image/png;base64,...")),
)
_FORM: Final = an_object(
    "A video to make, as a form.",
    optional=[name for name in (*_CREATE, "input_reference") if name != "prompt"],
    **{name: text() for name in _CREATE},
    input_reference=text("A JPEG, PNG or WebP.", format="binary"),
)
_ROTATION: Final = an_object(
    "Whether the old secret signs beside the new one for a day.",
    optional=("keep_old_secret_active_for_24_hours",),
    keep_old_secret_active_for_24_hours={"type": "boolean", "default": False},
)
_TRIAL: Final = an_object("Which event to play.", event_type=text())
_REMIX: Final = an_object("What to change.", prompt=text(minLength=1, maxLength=PROMPT_LIMIT))


def _query(name: str, description: str, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name, {"type": "string", **schema}, OpenApiParameter.QUERY, description=description
    )


def _header(name: str, description: str, *of: int, **schema: Any) -> OpenApiParameter:
    return OpenApiParameter(
        name,
        {"type": "string", **schema},
        OpenApiParameter.HEADER,
        description=description,
        response=list(of) or False,
    )


_KEY: Final = (
    _header(
        "Idempotency-Key",
        "Makes the call safe to repeat: the same key gives the same video.",
        minLength=1,
        maxLength=KEY_LIMIT,
        pattern="^[ -~]+$",
    ),
    _header("Idempotent-Replayed", "true when an earlier call had made it.", 200),
)
_LIST: Final = (
    _query("after", "The last id of the page before."),
    _query("limit", "Rows of a page.", type="integer", minimum=1, maximum=100, default=20),
    _query("order", "By the time of creation.", enum=["asc", "desc"], default="desc"),
)
_POLL: Final = (
    _header("If-None-Match", "The ETag that you have: 304 when nothing changed."),
    _header("ETag", "Send it as If-None-Match.", 200, 304),
    _header("openai-poll-after-ms", "When to ask again, milliseconds; while it lives.", 200, 304),
)
_VARIANT: Final = (
    _query("variant", "Which file.", enum=["video", "thumbnail", "spritesheet"], default="video"),
)
_NOT_MODIFIED: Final = {304: OpenApiResponse(description="As you have it.")}
_ELSEWHERE: Final = {302: OpenApiResponse(description="The file is there; it opens without a key.")}


def _route(
    name: str,
    answer: str | None,
    *,
    errors: tuple[int, ...] = _READ,
    body: Mapping[str, Schema] | None = None,
    parameters: tuple[OpenApiParameter, ...] = (),
    more: Mapping[Any, Any] | None = None,
) -> Callable[[Any], Any]:
    responses: dict[Any, Any] = dict(more or {})
    if answer:
        responses[200, "application/json"] = OpenApiResponse(
            response=ref(answer), description="Done."
        )
    for status in sorted({*errors, _AWAY}):
        responses[status, "application/json"] = OpenApiResponse(
            response=ref("OpenAIError"), description=_ERRORS[status]
        )
    decorated: Callable[[Any], Any] = extend_schema(
        operation_id=name,
        tags=[_TAG],
        request=dict(body) if body else None,
        responses=responses,
        parameters=list(parameters),
    )
    return decorated


def _json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


_ROUTES: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (
    (views.Videos, {
        "post": _route(
            "create_video", "OpenAIVideo", errors=_SUBMIT, parameters=_KEY,
            body={"multipart/form-data": _FORM, "application/json": _JSON},
        ),
        "get": _route("list_videos", "OpenAIVideos", parameters=_LIST),
    }),
    (views.OneVideo, {
        "get": _route(
            "retrieve_video", "OpenAIVideo", errors=_ONE, parameters=_POLL, more=_NOT_MODIFIED
        ),
        "delete": _route("delete_video", "OpenAIDeletedVideo", errors=_ONE),
    }),
    (views.Remix, {
        "post": _route(
            "remix_video", "OpenAIVideo", errors=_SUBMIT, parameters=_KEY, body=_json(_REMIX)
        ),
    }),
    (views.Content, {
        "get": _route(
            "video_content", None, errors=_ONE, parameters=_VARIANT, more=_ELSEWHERE
        ),
    }),
    (views.Edits, {"post": _route("edit_video", None)}),
    (views.Extensions, {"post": _route("extend_video", None)}),
    (views.Characters, {"post": _route("create_character", None)}),
    (views.OneCharacter, {"get": _route("retrieve_character", None, errors=_ONE)}),
    (models.Models, {"get": _route("list_openai_models", "OpenAIModels")}),
    (models.OneModel, {"get": _route("retrieve_openai_model", "OpenAIModel", errors=_ONE)}),
    (webhooks.EventTypes, {"get": _route("list_openai_event_types", "OpenAIEventTypes")}),
    (webhooks.Endpoints, {
        "post": _route(
            "create_openai_endpoint", "OpenAINewEndpoint", errors=_WRITE,
            body=_json(described.NEW_ENDPOINT),
        ),
        "get": _route("list_openai_endpoints", "OpenAIEndpoints", parameters=_LIST),
    }),
    (webhooks.OneEndpoint, {
        "get": _route("retrieve_openai_endpoint", "OpenAIEndpoint", errors=_ONE),
        "post": _route(
            "update_openai_endpoint", "OpenAIEndpoint", errors=_WRITE, body=_json(described.CHANGES)
        ),
        "delete": _route("delete_openai_endpoint", "OpenAIDeletedEndpoint", errors=_ONE),
    }),
    (webhooks.Rotation, {
        "post": _route(
            "rotate_openai_secret", "OpenAINewEndpoint", errors=_WRITE, body=_json(_ROTATION)
        ),
    }),
    (webhooks.Test, {
        "post": _route(
            "test_openai_endpoint", "OpenAIEndpointTest", errors=_WRITE, body=_json(_TRIAL)
        ),
    }),
)  # fmt: skip


def describe() -> None:
    """Give the views their descriptions; once, when the addresses are read."""
    for view, verbs in _ROUTES:
        extend_schema_view(**verbs)(view)
