"""Webhook endpoints as OpenAI clients manage them. Views translate, make one call, translate back."""

from typing import Final

from django.http import HttpResponse
from rest_framework.request import Request

from jobs import bodies, callers
from jobs.openai import endpoints, face, reading
from jobs.openai.face import Face
from jobs.requests import InvalidFields
from notifications import announcements, webhook_endpoints, webhook_log
from notifications.errors import EndpointUnreachable

_KEEP: Final = "keep_old_secret_active_for_24_hours"


class EventTypes(Face):
    """GET /v1/webhook_event_types."""

    def get(self, request: Request) -> HttpResponse:
        """List what endpoints can be told of."""
        return face.answer({"object": "list", "data": announcements.webhook_types()})


class Endpoints(Face):
    """POST, GET /v1/webhook_endpoints."""

    def post(self, request: Request) -> HttpResponse:
        """Add an endpoint; its secret is shown only now."""
        data = reading.only(request, "url", "event_types", "name")
        endpoint, secret = webhook_endpoints.create(
            callers.of(request).owner_id,
            url=data.get("url"),
            event_types=data.get("event_types"),
            name=data.get("name", ""),
        )
        return face.answer(endpoints.of(endpoint, secret=secret))

    def get(self, request: Request) -> HttpResponse:
        """List the caller's endpoints, newest first unless `order` says otherwise."""
        wanted = reading.page(request.query_params)
        mine = webhook_endpoints.of_owner(callers.of(request).owner_id)
        if wanted.is_ascending:
            mine = mine.reverse()
        if wanted.after:
            after = endpoints.place(wanted.after)
            mine = mine.filter(id__gt=after) if wanted.is_ascending else mine.filter(id__lt=after)
        found = list(mine[: wanted.limit + 1])
        return face.answer(
            endpoints.page(found[: wanted.limit], has_more=len(found) > wanted.limit)
        )


class OneEndpoint(Face):
    """GET, POST, DELETE /v1/webhook_endpoints/{endpoint_id}."""

    def get(self, request: Request, endpoint_id: str) -> HttpResponse:
        """Retrieve one endpoint of the caller."""
        owner_id = callers.of(request).owner_id
        found = webhook_endpoints.get(owner_id, endpoints.read_id(endpoint_id))
        return face.answer(endpoints.of(found))

    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        """Change `url`, `event_types`, `name`, and beyond the documented fields `is_enabled`."""
        owner_id = callers.of(request).owner_id
        found = webhook_endpoints.get(owner_id, endpoints.read_id(endpoint_id))
        changed = webhook_endpoints.update(owner_id, found.id, bodies.fields(request))
        return face.answer(endpoints.of(changed))

    def delete(self, request: Request, endpoint_id: str) -> HttpResponse:
        """Delete an endpoint, and give up what is on its way."""
        found = endpoints.read_id(endpoint_id)
        reading.only(request)
        webhook_endpoints.delete(callers.of(request).owner_id, found)
        return face.answer(endpoints.deleted(found))


class Rotation(Face):
    """POST /v1/webhook_endpoints/{endpoint_id}/rotate_secret."""

    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        """Make a new secret, shown only now. The old one ends at once, or signs beside it for a day."""
        owner_id = callers.of(request).owner_id
        found = webhook_endpoints.get(owner_id, endpoints.read_id(endpoint_id))
        keeps = reading.only(request, _KEEP).get(_KEEP, False)
        if not isinstance(keeps, bool):
            raise InvalidFields({_KEEP: "Send true or false."})
        endpoint, secret = webhook_endpoints.rotate(
            owner_id,
            found.id,
            keep_old_seconds=webhook_endpoints.OVERLAP_SECONDS if keeps else 0,
        )
        return face.answer(endpoints.of(endpoint, secret=secret))


class Test(Face):
    """POST /v1/webhook_endpoints/{endpoint_id}/test."""

    def post(self, request: Request, endpoint_id: str) -> HttpResponse:
        """Send one test message of `event_type` now, and say what came back. Raises EndpointUnreachable."""
        owner_id = callers.of(request).owner_id
        found = webhook_endpoints.get(owner_id, endpoints.read_id(endpoint_id))
        event_type = reading.only(request, "event_type").get("event_type")
        made = webhook_log.test(owner_id, found.id, event_type=event_type)
        (only_try,) = made.attempts.all()
        if only_try.status_code is None:
            raise EndpointUnreachable(only_try.reason)
        return face.answer(
            endpoints.tested(found.id, event_type=str(event_type), status_code=only_try.status_code)
        )
