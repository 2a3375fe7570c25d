"""The published shapes of the OpenAI API as JSON Schema, written from its reference and from nothing of ours.

Documented members have exactly their documented types and values; others may be beside them.
"""

from typing import Any

import jsonschema

_TIME = {"type": "integer", "minimum": 1_500_000_000}
_TIME_OR_NULL = {"anyOf": [_TIME, {"type": "null"}]}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def _exactly(**members: Any) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": sorted(members)}


VIDEO = _exactly(
    id={"type": "string", "pattern": "^video_[0-9a-f]{32}$"},
    object={"const": "video"},
    status={"enum": ["queued", "in_progress", "completed", "failed"]},
    progress={"type": "integer", "minimum": 0, "maximum": 100},
    created_at=_TIME,
    completed_at=_TIME_OR_NULL,
    expires_at=_TIME_OR_NULL,
    model={"type": "string", "minLength": 1},
    prompt=_TEXT_OR_NULL,
    seconds={"enum": ["4", "8", "12"]},
    size={"enum": ["720x1280", "1280x720", "1024x1792", "1792x1024"]},
    remixed_from_video_id=_TEXT_OR_NULL,
    error={
        "anyOf": [
            {"type": "null"},
            _exactly(code={"type": "string"}, message={"type": "string"}),
        ]
    },
) | {
    "if": {"properties": {"status": {"const": "failed"}}},
    "then": {"properties": {"error": {"type": "object"}}},
    "else": {"properties": {"error": {"type": "null"}}},
}
DELETED = _exactly(
    id={"type": "string"}, object={"const": "video.deleted"}, deleted={"const": True}
)
MODEL = _exactly(
    id={"type": "string"},
    object={"const": "model"},
    created={"type": "integer"},
    owned_by={"type": "string"},
)
ERROR = _exactly(
    error=_exactly(
        message={"type": "string", "minLength": 1},
        type={"type": "string", "minLength": 1},
        param=_TEXT_OR_NULL,
        code=_TEXT_OR_NULL,
    )
) | {"additionalProperties": False}
ENDPOINT = _exactly(
    id={"type": "string"},
    object={"const": "webhook_endpoint"},
    created_at=_TIME,
    updated_at=_TIME_OR_NULL,
    event_types={"type": "array", "items": {"enum": ["video.completed", "video.failed"]}},
    name={"type": "string"},
    url={"type": "string"},
    signing_secret_hint=_TEXT_OR_NULL,
)
NEW_ENDPOINT = {
    "allOf": [ENDPOINT, _exactly(signing_secret={"type": "string", "pattern": "^whsec_"})]
}
DELETED_ENDPOINT = _exactly(
    id={"type": "string"}, object={"const": "webhook_endpoint.deleted"}, deleted={"const": True}
)
TEST = _exactly(
    object={"const": "webhook_endpoint.test"},
    event_type={"type": "string"},
    status_code={"type": "integer"},
    success={"const": True},
    webhook_endpoint_id={"type": "string"},
)
EVENT_TYPES = _exactly(
    object={"const": "list"}, data={"type": "array", "items": {"type": "string"}}
)
MODELS = _exactly(object={"const": "list"}, data={"type": "array", "items": MODEL})


def page_of(item: dict[str, Any]) -> dict[str, Any]:
    return _exactly(
        object={"const": "list"},
        data={"type": "array", "items": item},
        has_more={"type": "boolean"},
        first_id=_TEXT_OR_NULL,
        last_id=_TEXT_OR_NULL,
    )


def expect(schema: dict[str, Any], answer: Any) -> None:
    """Fail with the member that is not as documented. A whole number that is written as 4.0 is none."""
    validator = jsonschema.Draft202012Validator
    checker = validator.TYPE_CHECKER.redefine("integer", lambda _, found: type(found) is int)
    jsonschema.validators.extend(validator, type_checker=checker)(schema).validate(answer)
