"""The native API: what reaches its caller by which channel and when, and everything that was sent."""

from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications import matrix, sent
from notifications.api.representation import stamp
from notifications.api.requests import body_of, owner_of
from notifications.errors import InvalidValues

_CHANGEABLE = {"events", "longer_than_seconds", "quiet_hours", "daily_mail_at"}


class Preferences(APIView):
    """GET, PATCH /api/v1/notifications/preferences."""

    def get(self, request: Request) -> Response:
        """Give the whole matrix, with the defaults filled in."""
        return Response(_shown(owner_of(request), request))

    def patch(self, request: Request) -> Response:
        """Change the named events, channels and times, all or nothing; the rest stays."""
        matrix.change(owner_of(request), body_of(request, allowed=_CHANGEABLE))
        return Response(_shown(owner_of(request), request))


class Sent(APIView):
    """GET /api/v1/notifications/sent."""

    def get(self, request: Request) -> Response:
        """List every delivery to the caller, newest first; `?after=ID` goes on behind one."""
        after = request.query_params.get("after")
        found, more = sent.page(owner_of(request), after=_place(after) if after else None)
        return Response(
            {"deliveries": [_of_sent(one) for one in found], "next": str(more) if more else None}
        )


def _shown(owner_id: UUID, request: Request) -> dict[str, Any]:
    found = matrix.of(owner_id)
    wishes = found.wishes
    quiet = None
    if wishes.quiet_from is not None and wishes.quiet_until is not None:
        quiet = {"from": f"{wishes.quiet_from:%H:%M}", "until": f"{wishes.quiet_until:%H:%M}"}
    return {
        "channels": [
            {"name": one.name, "is_available": not one.problem, "reason": one.problem or None}
            for one in found.columns
        ],
        "events": [
            {
                "name": row.name,
                "title": row.title,
                "hint": row.hint,
                "channels": {
                    cell.channel: {
                        "is_on": cell.is_on,
                        "is_on_by_default": cell.is_on_by_default,
                        "is_forced": cell.is_forced,
                    }
                    for cell in row.cells
                },
            }
            for row in found.rows
        ],
        "longer_than_seconds": wishes.longer_than_seconds,
        "quiet_hours": quiet,
        "daily_mail_at": f"{wishes.daily_mail_at:%H:%M}" if wishes.daily_mail_at else None,
        "time_zone": getattr(request.user, "time_zone", "UTC"),
    }


def _place(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidValues({"after": "Send the id of a delivery."}) from None


def _of_sent(one: sent.Sent) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "event": one.event,
        "subject_id": str(one.subject_id),
        "channel": one.channel,
        "state": one.state,
        "reason": one.reason or None,
        "tries": one.tries,
        "summary_id": str(one.summary_id) if one.summary_id else None,
        "created_at": stamp(one.at),
        "due_at": stamp(one.due_at),
        "ended_at": stamp(one.ended_at),
    }
