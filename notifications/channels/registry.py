"""The channels that there are. A new one is a module and a line here."""

from functools import cache

from notifications.channel import Channel
from notifications.channels.email import EmailChannel
from notifications.channels.webhook import WebhookChannel


@cache
def channels() -> dict[str, Channel]:
    """Give every channel by its name."""
    every: tuple[Channel, ...] = (WebhookChannel(), EmailChannel())
    return {channel.name: channel for channel in every}
