"""The notification centre over HTTP: a list, and what of it was read."""

from collections.abc import Sequence
from typing import Any

from django.http import Http404
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api import contract
from jobs.api.base import View, body_of, no_query, owner_of
from jobs.api.pages import after_of, next_page, size_of
from jobs.api.representation import parsed, stamp
from jobs.requests import InvalidFields
from notifications import centre

_LARGEST = 2**63 - 1


class Notifications(View):
    """GET /api/v1/notifications."""

    @contract.notifications
    def get(self, request: Request) -> Response:
        """List what its owner was told, newest first; `?unread=true` gives only what was not read."""
        no_query(request, "limit", "cursor", "unread")
        only_unread = request.query_params.get("unread", "false")
        if only_unread not in {"true", "false"}:
            raise InvalidFields({"unread": "Send true or false."})
        owner_id, size = owner_of(request), size_of(request)
        found = centre.page(
            owner_id,
            before=after_of(request),
            most=size + 1,
            only_unread=only_unread == "true",
        )
        more = found[size - 1][0] if len(found) > size else None
        return Response(
            {
                "unread": centre.unread(owner_id),
                "notifications": [_shown(row) for row in found[:size]],
                "next": next_page(request, more),
            }
        )


class OneNotification(View):
    """PATCH /api/v1/notifications/{number}."""

    @contract.mark
    def patch(self, request: Request, number: int) -> Response:
        """Mark one as read or unread."""
        # Before the body: whose it is not learns nothing of it, a wrong body or not.
        if number > _LARGEST or not centre.has(owner_of(request), number=number):
            raise Http404
        is_read = body_of(request, "is_read").get("is_read")
        if not isinstance(is_read, bool):
            raise InvalidFields({"is_read": "Send true or false."})
        found = centre.mark(owner_of(request), number=number, is_read=is_read)
        if found is None:
            raise Http404
        return Response(_shown(found))


class Reading(View):
    """POST /api/v1/notifications/read."""

    @contract.mark_all
    def post(self, request: Request) -> Response:
        """Mark everything up to a number as read, so that what came since stays unread."""
        up_to = body_of(request, "up_to").get("up_to")
        if not isinstance(up_to, int) or isinstance(up_to, bool) or not 0 <= up_to <= _LARGEST:
            raise InvalidFields({"up_to": "Send the id of a notification."})
        owner_id = owner_of(request)
        marked = centre.read_all(owner_id, up_to=up_to)
        return Response({"marked": marked, "unread": centre.unread(owner_id)})


def _shown(row: Sequence[Any]) -> dict[str, Any]:
    number, name, subject_id, payload, at, read_at = row
    return {
        "id": number,
        "name": name,
        "subject_id": str(subject_id),
        "payload": parsed(payload),
        "at": stamp(at),
        "read_at": stamp(read_at),
    }
