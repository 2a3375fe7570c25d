"""The routes of preferences and of what was sent, as the API's contract describes them."""

from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from jobs.api.contract import route
from jobs.api.shapes import ID, Schema, a_list, an_object, moment, or_null, text, whole
from notifications import matrix
from notifications.api import preferences
from notifications.models import DeliveryState

_TAG: Final = "Notifications"
_FLAG: Final = {"type": "boolean"}
_CLOCK: Final = or_null(text("HH:MM by the caller's clock."))
_WAIT: Final = {"type": "integer", "minimum": 0, "maximum": matrix.LONGEST_WAIT}
_HOURS: Final = or_null(
    an_object("By the caller's clock; over midnight too.", **{"from": text(), "until": text()})
)
SCHEMAS: Final[dict[str, Schema]] = {
    "NotificationPreferences": an_object(
        "What reaches the caller, with the defaults filled in.",
        channels=a_list(
            an_object(
                "A channel that people choose.",
                name=text(),
                is_available=_FLAG,
                reason=or_null(text("Why it reaches nobody here.")),
            )
        ),
        events=a_list(
            an_object(
                "An event.",
                name=text(),
                title=text(),
                hint=text(),
                channels={
                    "type": "object",
                    "description": "By the channel's name.",
                    "additionalProperties": an_object(
                        "Whether it goes by a channel.",
                        is_on=_FLAG,
                        is_on_by_default=_FLAG,
                        is_forced={"type": "boolean", "description": "It cannot be turned off."},
                    ),
                },
            )
        ),
        longer_than_seconds=_WAIT,
        quiet_hours=_HOURS,
        daily_mail_at=_CLOCK,
        time_zone=text("Of the account."),
    ),
    "SentDeliveries": an_object(
        "Every delivery to the caller, newest first.",
        deliveries=a_list(
            an_object(
                "One event by one channel.",
                id=ID,
                event=text(),
                subject_id=ID,
                channel=text(),
                state=text(enum=list(DeliveryState.values)),
                reason=or_null(text("Why it was withheld, waits or failed.")),
                tries=whole(),
                summary_id=or_null(ID),
                created_at=moment(),
                due_at=or_null(moment("When it is tried or goes on.")),
                ended_at=or_null(moment()),
            )
        ),
        next=or_null(ID),
    ),
}
_CHANGES: Final = an_object(
    "What is to be different; the rest stays.",
    optional=("events", "longer_than_seconds", "quiet_hours", "daily_mail_at"),
    events={
        "type": "object",
        "description": "By event, then by channel.",
        "additionalProperties": {"type": "object", "additionalProperties": _FLAG},
    },
    longer_than_seconds=_WAIT,
    quiet_hours=_HOURS,
    daily_mail_at=_CLOCK,
)

ROUTES: Final[tuple[tuple[Any, dict[str, Any]], ...]] = (
    (
        preferences.Preferences,
        {
            "get": route(
                "retrieve_notification_preferences", tag=_TAG, answer="NotificationPreferences"
            ),
            "patch": route(
                "update_notification_preferences", tag=_TAG, answer="NotificationPreferences",
                body=_CHANGES, problems=(400, 401, 403, 413, 415),
            ),
        },
    ),
    (
        preferences.Sent,
        {
            "get": route(
                "list_sent_notifications", tag=_TAG, answer="SentDeliveries",
                parameters=(
                    OpenApiParameter(
                        "after", {"type": "string", "format": "uuid"}, OpenApiParameter.QUERY,
                        description="Goes on behind this delivery.",
                    ),
                ),
            )
        },
    ),
)  # fmt: skip
