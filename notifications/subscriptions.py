"""Who hears an event: the table that the project's settings name."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module

from django.conf import settings

from notifications.event import Event

Listener = Callable[[Event], None]


@cache
def _table() -> Mapping[str, Sequence[Listener]]:
    table: Mapping[str, Sequence[Listener]] = import_module(
        settings.OUTBOX_SUBSCRIPTIONS
    ).SUBSCRIPTIONS
    return table


def listeners(name: str) -> Sequence[Listener]:
    """Give the functions that hear events of this name, in order. They write in the relay's transaction."""
    return _table().get(name, ())
