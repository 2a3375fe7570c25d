"""Where the push process is, for the host name that the browser used."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest


def push_origin(request: HttpRequest) -> str:
    """Give the origin of its websockets."""
    scheme, place = _place(request)
    return f"{'wss' if scheme == 'https' else 'ws'}://{place}"


def http_origin(request: HttpRequest) -> str:
    """Give the origin of what it answers over HTTP."""
    scheme, place = _place(request)
    return f"{scheme}://{place}"


def _place(request: HttpRequest) -> tuple[str, str]:
    if settings.PUSH_URL:
        parts = urlsplit(settings.PUSH_URL)
        return "https" if parts.scheme in {"https", "wss"} else "http", parts.netloc
    host = request.get_host()
    host = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return "https" if request.is_secure() else "http", f"{host}:{settings.PUSH_PORT}"
