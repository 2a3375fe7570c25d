"""The native API: which channels work, and the browsers and phones that are told by push."""

from typing import Any
from uuid import UUID

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications import channel_list, push_targets, vapid
from notifications.api import push_representation as representation
from notifications.api.requests import body_of, owner_of
from notifications.channels import registry
from notifications.errors import ChannelUnavailable


class Channels(APIView):
    """GET /api/v1/notification_channels."""

    def get(self, request: Request) -> Response:
        """List the ways of reaching people: whether each works here, and why not."""
        return Response({"channels": [representation.of_channel(one) for one in channel_list.of()]})


class Subscriptions(APIView):
    """POST, GET /api/v1/push/subscriptions."""

    def post(self, request: Request) -> Response:
        """Register the browser that a `PushSubscription` describes; 200 when it was known."""
        data = body_of(request, allowed={"endpoint", "expirationTime", "keys", "name"})
        _check(push_targets.WEB)
        found, is_new = push_targets.add_browser(
            owner_of(request),
            data,
            vapid_key=vapid.public_key(),
            agent=request.headers.get("User-Agent", ""),
            session=_session(request),
        )
        return Response(representation.of_browser(found), status=_made(is_new=is_new))

    def get(self, request: Request) -> Response:
        """List the caller's browsers, newest first."""
        found = push_targets.browsers(owner_of(request))
        return Response({"subscriptions": [representation.of_browser(one) for one in found]})


class OneSubscription(APIView):
    """GET, DELETE /api/v1/push/subscriptions/{subscription_id}."""

    def get(self, request: Request, subscription_id: UUID) -> Response:
        """Retrieve one browser of the caller."""
        found = push_targets.browser(owner_of(request), subscription_id)
        return Response(representation.of_browser(found))

    def delete(self, request: Request, subscription_id: UUID) -> Response:
        """Tell it nothing any more."""
        body_of(request, allowed=set())
        push_targets.remove_browser(owner_of(request), subscription_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Devices(APIView):
    """POST, GET /api/v1/devices."""

    def post(self, request: Request) -> Response:
        """Register an app by its FCM token; 200 when it was known. Another account loses the token."""
        data = body_of(request, allowed={"platform", "token", "name"})
        _check(push_targets.MOBILE)
        found, is_new = push_targets.add_device(owner_of(request), data, session=_session(request))
        return Response(representation.of_device(found), status=_made(is_new=is_new))

    def get(self, request: Request) -> Response:
        """List the caller's devices, newest first."""
        found = push_targets.devices(owner_of(request))
        return Response({"devices": [representation.of_device(one) for one in found]})


class OneDevice(APIView):
    """GET, DELETE /api/v1/devices/{device_id}."""

    def get(self, request: Request, device_id: UUID) -> Response:
        """Retrieve one device of the caller."""
        return Response(representation.of_device(push_targets.device(owner_of(request), device_id)))

    def delete(self, request: Request, device_id: UUID) -> Response:
        """Tell it nothing any more."""
        body_of(request, allowed=set())
        push_targets.remove_device(owner_of(request), device_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _check(channel: str) -> None:
    if problem := registry.channels()[channel].problem():
        raise ChannelUnavailable(problem)


def _session(request: Request) -> str:
    """Give the session of a page or app, which the registration ends with; a key has none."""
    access: Any = request.auth
    return str(getattr(access, "session", ""))


def _made(*, is_new: bool) -> int:
    return status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
