"""The channels that there are. A new one is a module and a line here."""

from functools import cache

from notifications.channel import Channel
from notifications.channels.email import EmailChannel
from notifications.channels.mobile_push import MobilePushChannel
from notifications.channels.web_push import WebPushChannel
from notifications.channels.webhook import WebhookChannel


@cache
def channels() -> dict[str, Channel]:
    """Give every channel by its name."""
    every: tuple[Channel, ...] = (
        WebhookChannel(),
        EmailChannel(),
        WebPushChannel(),
        MobilePushChannel(),
    )
    return {channel.name: channel for channel in every}
