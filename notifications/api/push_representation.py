"""Channels, browsers and phones as the native API shows them: rows in, plain JSON values out."""

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from notifications.channel_list import Listed
from notifications.models import PushDevice, PushSubscription


def of_channel(channel: Listed) -> dict[str, Any]:
    """Represent a way of reaching people."""
    return {
        "name": channel.name,
        "available": channel.is_available,
        "reason": channel.problem or None,
        "public_key": channel.details.get("public_key"),
    }


def of_browser(browser: PushSubscription) -> dict[str, Any]:
    """Represent a browser; of its endpoint only the service, because the rest is a secret of its."""
    return {
        "id": str(browser.id),
        "name": browser.name,
        "service": urlsplit(browser.endpoint).hostname,
        "created_at": _stamp(browser.created_at),
        "confirmed_at": _stamp(browser.confirmed_at),
    }


def of_device(device: PushDevice) -> dict[str, Any]:
    """Represent a phone, without its token."""
    return {
        "id": str(device.id),
        "platform": device.platform,
        "name": device.name,
        "created_at": _stamp(device.created_at),
        "confirmed_at": _stamp(device.confirmed_at),
    }


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
