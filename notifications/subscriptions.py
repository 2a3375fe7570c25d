"""Who hears an event: the table that the project's settings name."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module

from django.conf import settings

from notifications.event import Event

# Hears events in the order of their feeds: many at once, or one alone.
Listener = Callable[[Sequence[Event]], None]


@cache
def _table() -> Mapping[str, Sequence[Listener]]:
    table: Mapping[str, Sequence[Listener]] = import_module(
        settings.OUTBOX_SUBSCRIPTIONS
    ).SUBSCRIPTIONS
    return table


def listeners(name: str) -> Sequence[Listener]:
    """Give the functions that hear events of this name, in order. They write in the relay's transaction."""
    return _table().get(name, ())


def names() -> list[str]:
    """Give the names of events that somebody hears."""
    return list(_table())


def shared_out(events: Sequence[Event]) -> list[tuple[Listener, list[Event]]]:
    """Give each listener what it hears of these, those first that stand before others for any of the names.

    Raises graphlib.CycleError where two stand before each other.
    """
    heard: dict[Listener, list[Event]] = {}
    after: TopologicalSorter[Listener] = TopologicalSorter()
    for name in {event.name for event in events}:
        for at, hear in enumerate(listeners(name)):
            after.add(hear, *listeners(name)[:at])
    for event in events:
        for hear in listeners(event.name):
            heard.setdefault(hear, []).append(event)
    return [(hear, heard[hear]) for hear in after.static_order()]
