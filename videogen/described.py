"""The routes of keys and webhooks, as the API's contract describes them; those of jobs describe themselves."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema_view

from jobs.api.contract import route
from jobs.api.shapes import ID, Schema, a_list, an_object, moment, or_null, ref, text, whole
from notifications import announcements, webhook_endpoints
from notifications.api import views as webhooks
from videogen import described_notices
from videogen.accounts import api as keys
from videogen.accounts import own_data, scopes

_KEYS: Final = "Keys"
_WEBHOOKS: Final = "Webhooks"
_ACCOUNT: Final = "Account"
_READ: Final = (400, 401, 403)
_ONE: Final = (*_READ, 404)
_WRITE: Final = (*_ONE, 409, 413, 415)
_CHANGE: Final = (*_READ, 409, 413, 415)
_FLAG: Final = {"type": "boolean"}

_KEY_MEMBERS: Final[dict[str, Schema]] = {
    "id": ID,
    "name": text(),
    "prefix": text("Its beginning, to tell keys apart."),
    "scopes": a_list(text(enum=list(scopes.ALL))),
    "created_at": moment(),
    "expires_at": or_null(moment()),
    "revoked_at": or_null(moment()),
    "last_used_at": or_null(moment("At most a minute old.")),
    "replaced_by": or_null(ID),
}
_ENDPOINT_MEMBERS: Final[dict[str, Schema]] = {
    "id": ID,
    "name": text(),
    "url": text(),
    "event_types": a_list(text()),
    "is_enabled": _FLAG,
    "disabled_reason": or_null(text()),
    "disabled_at": or_null(moment()),
    "signing_secret_hint": text("The end of the secret, to tell secrets apart."),
    "old_secret_until": or_null(moment("Until then the old secret signs too.")),
    "created_at": moment(),
    "updated_at": moment(),
}
SCHEMAS: Final[dict[str, Schema]] = {
    **described_notices.SCHEMAS,
    "Key": an_object("An API key; its secret is shown only when it is made.", **_KEY_MEMBERS),
    "NewKey": an_object(
        "A new API key.", **_KEY_MEMBERS, key=text("The secret, shown only now: keep it.")
    ),
    "Export": an_object(
        "A copy of everything that is kept about the caller.",
        state=text(enum=["none", "in_progress", "finished"]),
        requested_at=or_null(moment()),
        finished_at=or_null(moment()),
        url=or_null(text("Where to fetch it: lines of JSON, compressed with gzip.")),
    ),
    "Deletion": an_object(
        "Whether the account is going to be deleted.",
        state=text(enum=["none", "scheduled"]),
        requested_at=or_null(moment()),
        due_at=or_null(moment("Until then it can be taken back.")),
    ),
    "Keys": an_object("Live keys, newest first.", keys=a_list(ref("Key"))),
    "WebhookEndpoint": an_object("An address that is told of events.", **_ENDPOINT_MEMBERS),
    "NewWebhookEndpoint": an_object(
        "An endpoint with a new secret.",
        **_ENDPOINT_MEMBERS,
        signing_secret=text("whsec_..., shown only now: keep it."),
    ),
    "WebhookEndpoints": an_object(
        "Endpoints, newest first.", webhook_endpoints=a_list(ref("WebhookEndpoint"))
    ),
    "WebhookEventTypes": an_object("What endpoints can be told of.", event_types=a_list(text())),
    "Delivery": an_object(
        "One event for one endpoint, with every try that is still kept.",
        id=ID,
        webhook_id=text("The same over all tries and replays."),
        type=text(),
        body={"type": "object", "description": "What is sent."},
        is_test=_FLAG,
        state=text(),
        reason=or_null(text()),
        replays=whole(),
        next_try_at=or_null(moment()),
        created_at=moment(),
        ended_at=or_null(moment()),
        tries=a_list(
            an_object(
                "One try.",
                number=whole(),
                outcome=text(),
                reason=or_null(text()),
                request={"type": "object"},
                answer=or_null(
                    an_object("What came back.", status=whole(), body=text("Its beginning."))
                ),
                started_at=moment(),
                took_ms=whole(),
            )
        ),
    ),
    "Deliveries": an_object(
        "What was sent, newest first.", deliveries=a_list(ref("Delivery")), has_more=_FLAG
    ),
}
EVENT_TYPES: Final = a_list(text(enum=list(announcements.webhook_types())), minItems=1)
_NEW_KEY: Final = an_object(
    "A key to make.",
    optional=("scopes", "expires_at"),
    name=text(minLength=1, maxLength=100),
    scopes={"type": ["array", "null"], "items": text(enum=list(scopes.ALL))},
    expires_at=or_null(moment()),
)
NEW_ENDPOINT: Final = an_object(
    "An address to tell.",
    optional=("name",),
    url=text("https, on port 443 or 8443, of a public address."),
    event_types=EVENT_TYPES,
    name=text(),
)
CHANGES: Final = an_object(
    "What to change.",
    optional=("url", "event_types", "name", "is_enabled"),
    url=text(),
    event_types=EVENT_TYPES,
    name=text(),
    is_enabled=_FLAG,
)
_OVERLAP: Final = an_object(
    "How long the old one goes on.",
    optional=("overlap_hours",),
    overlap_hours={"type": ["integer", "null"], "minimum": 0},
)
_KEPT: Final = an_object(
    "How long the old secret signs beside the new one.",
    optional=("keep_old_seconds",),
    keep_old_seconds=whole(
        minimum=0, description=f"{webhook_endpoints.OVERLAP_SECONDS} without it."
    ),
)
_TESTED: Final = an_object(
    "Which event to play.", optional=("event_type",), event_type=or_null(text())
)

_ROUTES: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (
    (
        keys.Keys,
        {
            "get": route("list_keys", tag=_KEYS, answer="Keys"),
            "post": route(
                "create_key", tag=_KEYS, answer="NewKey", status=201, body=_NEW_KEY, problems=_WRITE
            ),
        },
    ),
    (
        keys.OneKey,
        {
            "get": route("retrieve_key", tag=_KEYS, answer="Key", problems=_ONE),
            "delete": route("revoke_key", tag=_KEYS, answer=None, status=204, problems=_ONE),
        },
    ),
    (
        keys.Rotation,
        {
            "post": route(
                "rotate_key", tag=_KEYS, answer="NewKey", status=201, body=_OVERLAP, problems=_WRITE
            )
        },
    ),
    (
        own_data.Export,
        {
            "get": route("retrieve_export", tag=_ACCOUNT, answer="Export"),
            "post": route("request_export", tag=_ACCOUNT, answer="Export", status=202),
        },
    ),
    (
        own_data.ExportContent,
        {
            "get": route(
                "download_export", tag=_ACCOUNT, answer=None, problems=(*_READ, 409)
            )
        },
    ),
    (
        own_data.Deletion,
        {
            "get": route("retrieve_deletion", tag=_ACCOUNT, answer="Deletion"),
            "post": route(
                "request_deletion", tag=_ACCOUNT, answer="Deletion", status=202,
                body=an_object("Whose it is.", email=text("The account's address.")),
                problems=_CHANGE,
            ),
            "delete": route(
                "take_deletion_back", tag=_ACCOUNT, answer=None, status=204, problems=(*_READ, 409)
            ),
        },
    ),
    (
        webhooks.Endpoints,
        {
            "get": route("list_webhook_endpoints", tag=_WEBHOOKS, answer="WebhookEndpoints"),
            "post": route(
                "create_webhook_endpoint", tag=_WEBHOOKS, answer="NewWebhookEndpoint", status=201,
                body=NEW_ENDPOINT, problems=_WRITE,
            ),
        },
    ),
    (
        webhooks.EventTypes,
        {"get": route("list_webhook_event_types", tag=_WEBHOOKS, answer="WebhookEventTypes")},
    ),
    (
        webhooks.OneEndpoint,
        {
            "get": route(
                "retrieve_webhook_endpoint", tag=_WEBHOOKS, answer="WebhookEndpoint", problems=_ONE
            ),
            "patch": route(
                "update_webhook_endpoint", tag=_WEBHOOKS, answer="WebhookEndpoint", body=CHANGES,
                problems=_WRITE,
            ),
            "delete": route(
                "delete_webhook_endpoint", tag=_WEBHOOKS, answer=None, status=204, problems=_ONE
            ),
        },
    ),
    (
        webhooks.Rotation,
        {
            "post": route(
                "rotate_webhook_secret", tag=_WEBHOOKS, answer="NewWebhookEndpoint", body=_KEPT,
                problems=_WRITE,
            )
        },
    ),
    (
        webhooks.Test,
        {
            "post": route(
                "test_webhook_endpoint", tag=_WEBHOOKS, answer="Delivery", body=_TESTED,
                problems=(*_WRITE, 429),
            )
        },
    ),
    (
        webhooks.Deliveries,
        {
            "get": route(
                "list_deliveries", tag=_WEBHOOKS, answer="Deliveries", problems=_ONE,
                parameters=(
                    OpenApiParameter(
                        "after", {"type": "string", "format": "uuid"}, OpenApiParameter.QUERY,
                        description="Goes on behind this delivery.",
                    ),
                ),
            )
        },
    ),
    (
        webhooks.OneDelivery,
        {"get": route("retrieve_delivery", tag=_WEBHOOKS, answer="Delivery", problems=_ONE)},
    ),
    (
        webhooks.Replay,
        {
            "post": route(
                "replay_delivery", tag=_WEBHOOKS, answer="Delivery", status=202,
                problems=(*_WRITE, 429),
            )
        },
    ),
)  # fmt: skip


def describe() -> None:
    """Give the views their descriptions; once, when the addresses are read."""
    for view, verbs in (*_ROUTES, *described_notices.ROUTES):
        extend_schema_view(**verbs)(view)
