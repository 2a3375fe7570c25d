"""The push application: websockets, and whatever else waits."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videogen.settings")
django_application = get_asgi_application()

from notifications.routing import websocket_urlpatterns  # noqa: E402 - needs the applications
from videogen.accounts.sockets import Admission, OriginUnlessHeader  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        # Outside everything else: a page of another origin gets no socket, whatever its cookies.
        "websocket": OriginUnlessHeader(
            AuthMiddlewareStack(Admission(URLRouter(websocket_urlpatterns))),
            settings.PUSH_ALLOWED_ORIGINS,
        ),
    }
)
