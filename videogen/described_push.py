"""The routes of channels, browsers and phones, as the API's contract describes them."""

from typing import Any, Final

from drf_spectacular.utils import extend_schema_view

from jobs.api.contract import route
from jobs.api.shapes import ID, Schema, a_list, an_object, moment, or_null, ref, text
from notifications.api import push
from notifications.models import Platform

_TAG: Final = "Push"
_ONE: Final = (400, 401, 403, 404)
_WRITE: Final = (400, 401, 403, 409, 413, 415)
_PLATFORM: Final = text(enum=list(Platform.values))
_NAME: Final = text(maxLength=100)
SCHEMAS: Final[dict[str, Schema]] = {
    "NotificationChannel": an_object(
        "A way of reaching people.",
        name=text("in_app, webhook, email, web_push or mobile_push."),
        available={"type": "boolean"},
        reason=or_null(text("Why it is not available here.")),
        public_key=or_null(text("What browsers subscribe to web_push with.")),
    ),
    "NotificationChannels": an_object(
        "Every channel.", channels=a_list(ref("NotificationChannel"))
    ),
    "PushSubscription": an_object(
        "A browser that is told by push.",
        id=ID,
        name=text(),
        service=text("Host of its push service."),
        created_at=moment(),
        confirmed_at=moment("When it was last registered."),
    ),
    "PushSubscriptions": an_object(
        "Browsers, newest first.", subscriptions=a_list(ref("PushSubscription"))
    ),
    "Device": an_object(
        "A phone or tablet that is told by push.",
        id=ID,
        platform=_PLATFORM,
        name=text(),
        created_at=moment(),
        confirmed_at=moment("When it was last registered."),
    ),
    "Devices": an_object("Devices, newest first.", devices=a_list(ref("Device"))),
}
_NEW_SUBSCRIPTION: Final = an_object(
    "What the browser's `PushSubscription.toJSON()` gives.",
    optional=("expirationTime", "name"),
    endpoint=text("https, of a public address."),
    expirationTime={"type": ["number", "null"]},
    keys=an_object(
        "Of the browser, in base64url.", p256dh=text("65 bytes."), auth=text("16 bytes.")
    ),
    name=_NAME,
)
_NEW_DEVICE: Final = an_object(
    "An app that registers itself: again at each of its starts.",
    optional=("name",),
    platform=_PLATFORM,
    token=text("The registration token of Firebase.", minLength=1, maxLength=4096),
    name=_NAME,
)

_ROUTES: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (
    (
        push.Channels,
        {"get": route("list_notification_channels", tag=_TAG, answer="NotificationChannels")},
    ),
    (
        push.Subscriptions,
        {
            "get": route("list_push_subscriptions", tag=_TAG, answer="PushSubscriptions"),
            "post": route(
                "create_push_subscription", tag=_TAG, answer="PushSubscription", status=201,
                body=_NEW_SUBSCRIPTION, problems=(*_WRITE, 429),
                more={(200, "application/json"): ref("PushSubscription")},
            ),
        },
    ),
    (
        push.OneSubscription,
        {
            "get": route(
                "retrieve_push_subscription", tag=_TAG, answer="PushSubscription", problems=_ONE
            ),
            "delete": route(
                "delete_push_subscription", tag=_TAG, answer=None, status=204, problems=_ONE
            ),
        },
    ),
    (
        push.Devices,
        {
            "get": route("list_devices", tag=_TAG, answer="Devices"),
            "post": route(
                "create_device", tag=_TAG, answer="Device", status=201, body=_NEW_DEVICE,
                problems=_WRITE, more={(200, "application/json"): ref("Device")},
            ),
        },
    ),
    (
        push.OneDevice,
        {
            "get": route("retrieve_device", tag=_TAG, answer="Device", problems=_ONE),
            "delete": route("delete_device", tag=_TAG, answer=None, status=204, problems=_ONE),
        },
    ),
)  # fmt: skip


def describe() -> None:
    """Give the views their descriptions; once, when the addresses are read."""
    for view, verbs in _ROUTES:
        extend_schema_view(**verbs)(view)
