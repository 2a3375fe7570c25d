"""What a page says once after a form was sent: in a cookie of this host alone, in the session where it is long."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class HostCookie(CookieStorage):
    """Django's, under our name."""

    cookie_name = settings.MESSAGE_COOKIE_NAME


class Storage(FallbackStorage):
    """Django's, with that cookie."""

    storage_classes = (HostCookie, SessionStorage)
