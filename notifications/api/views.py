"""The native API: webhook endpoints and what was sent to them. Views translate, make one call, translate back."""

from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications import announcements, webhook_endpoints, webhook_log
from notifications.api import representation
from notifications.api.requests import body_of, owner_of
from notifications.errors import InvalidValues


class Endpoints(APIView):
    """POST, GET /api/v1/webhook_endpoints."""

    def post(self, request: Request) -> Response:
        """Add an endpoint; 201 with its secret, which is shown only now."""
        data = body_of(request, allowed={"url", "event_types", "name"})
        endpoint, secret = webhook_endpoints.create(
            owner_of(request),
            url=data.get("url"),
            event_types=data.get("event_types"),
            name=data.get("name", ""),
        )
        return Response(
            representation.of_endpoint(endpoint, secret=secret),
            status=status.HTTP_201_CREATED,
            headers={"Location": f"/api/v1/webhook_endpoints/{endpoint.id}"},
        )

    def get(self, request: Request) -> Response:
        """List the caller's endpoints, newest first."""
        found = webhook_endpoints.of_owner(owner_of(request))
        return Response({"webhook_endpoints": [representation.of_endpoint(one) for one in found]})


class EventTypes(APIView):
    """GET /api/v1/webhook_event_types."""

    def get(self, request: Request) -> Response:
        """List what endpoints can be told of."""
        return Response({"event_types": announcements.webhook_types()})


class OneEndpoint(APIView):
    """GET, PATCH, DELETE /api/v1/webhook_endpoints/{endpoint_id}."""

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Retrieve one endpoint of the caller."""
        return Response(
            representation.of_endpoint(webhook_endpoints.get(owner_of(request), endpoint_id))
        )

    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change `url`, `event_types`, `name` or `is_enabled`."""
        changed = webhook_endpoints.update(owner_of(request), endpoint_id, body_of(request))
        return Response(representation.of_endpoint(changed))

    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete an endpoint, and give up what is on its way."""
        body_of(request, allowed=set())
        webhook_endpoints.delete(owner_of(request), endpoint_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Rotation(APIView):
    """POST /api/v1/webhook_endpoints/{endpoint_id}/rotation."""

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Make a new secret, shown only now; `keep_old_seconds` lets the old one sign beside it."""
        webhook_endpoints.get(owner_of(request), endpoint_id)
        data = body_of(request, allowed={"keep_old_seconds"})
        kept = data.get("keep_old_seconds", webhook_endpoints.OVERLAP_SECONDS)
        endpoint, secret = webhook_endpoints.rotate(
            owner_of(request), endpoint_id, keep_old_seconds=kept
        )
        return Response(representation.of_endpoint(endpoint, secret=secret))


class Test(APIView):
    """POST /api/v1/webhook_endpoints/{endpoint_id}/test."""

    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send one test message of `event_type` now, and say what came back."""
        webhook_endpoints.get(owner_of(request), endpoint_id)
        data = body_of(request, allowed={"event_type"})
        made = webhook_log.test(owner_of(request), endpoint_id, event_type=data.get("event_type"))
        return Response(representation.of_delivery(made))


class Deliveries(APIView):
    """GET /api/v1/webhook_endpoints/{endpoint_id}/deliveries."""

    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """List what was sent, newest first; `?after=ID` goes on behind a delivery."""
        webhook_endpoints.get(owner_of(request), endpoint_id)
        found = webhook_log.of_endpoint(owner_of(request), endpoint_id)
        if after := request.query_params.get("after"):
            found = found.filter(id__lt=_id(after))
        page = list(found[: webhook_log.PAGE + 1])
        return Response(
            {
                "deliveries": [representation.of_delivery(one) for one in page[: webhook_log.PAGE]],
                "has_more": len(page) > webhook_log.PAGE,
            }
        )


class OneDelivery(APIView):
    """GET /api/v1/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}."""

    def get(self, request: Request, endpoint_id: UUID, delivery_id: UUID) -> Response:
        """Retrieve one delivery with its tries."""
        return Response(
            representation.of_delivery(webhook_log.get(owner_of(request), endpoint_id, delivery_id))
        )


class Replay(APIView):
    """POST /api/v1/webhook_endpoints/{endpoint_id}/deliveries/{delivery_id}/replay."""

    def post(self, request: Request, endpoint_id: UUID, delivery_id: UUID) -> Response:
        """Send it again with the same id; 202 with the delivery, now scheduled."""
        webhook_log.get(owner_of(request), endpoint_id, delivery_id)
        body_of(request, allowed=set())
        found = webhook_log.replay(owner_of(request), endpoint_id, delivery_id)
        return Response(representation.of_delivery(found), status=status.HTTP_202_ACCEPTED)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidValues({"after": "Send the id of a delivery."}) from None
