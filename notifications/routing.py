"""Where sockets connect."""

from django.urls import path

from notifications.websocket import FeedConsumer

websocket_urlpatterns = [path("ws/feed", FeedConsumer.as_asgi())]
