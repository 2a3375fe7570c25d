"""The push application: websockets, and whatever else waits."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")
django_application = get_asgi_application()

from jobs.api import push  # noqa: E402 - needs the applications
from notifications.routing import websocket_urlpatterns  # noqa: E402 - needs the applications
from videogen import process_metrics, socket_outages  # noqa: E402 - needs the applications
from videogen.accounts.sockets import Admission, OriginUnlessHeader  # noqa: E402

process_metrics.begin()
waiting = socket_outages.Requests(push.application)


async def http(scope: push.Scope, receive: push.Receive, send: push.Send) -> None:
    """Answer what waits outside of Django's middleware, and the rest inside."""
    answers = waiting if push.answers(scope) else django_application
    await answers(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http,
        # Outside everything else: a page of another origin gets no socket, whatever its cookies.
        "websocket": OriginUnlessHeader(
            socket_outages.Sockets(
                AuthMiddlewareStack(Admission(URLRouter(websocket_urlpatterns)))
            ),
            settings.PUSH_ALLOWED_ORIGINS,
        ),
    }
)
