"""What a dialect is: routes, the shape of its errors, its quirks, and whether it sends webhooks."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.generations import Announce, Generation
from videogen.fake_gpu.http import Answer, Request
from videogen.fake_gpu.server import Refused, Server
from videogen.fake_gpu.signing import Sign, StandardWebhooks

# Takes the server, the request, and the id of its path (empty where there is none).
Handler = Callable[[Server, Request, str], Answer | Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address of a dialect; the pattern's group `id` names the generation."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    place: Place = Place.OTHER
    # Answers without a key.
    is_open: bool = False


def route(method: str, pattern: str, handler: Handler, place: Place = Place.OTHER) -> Route:
    """Declare an address that needs the key."""
    return Route(method=method, pattern=re.compile(pattern), handler=handler, place=place)


def open_route(method: str, pattern: str, handler: Handler, place: Place = Place.OTHER) -> Route:
    """Declare an address that answers everybody."""
    return replace(route(method, pattern, handler, place), is_open=True)


def _silent(_server: Server) -> Announce:
    def say_nothing(_generation: Generation, _event: str) -> None:
        return

    return say_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one kind of server speaks."""

    name: str
    routes: tuple[Route, ...]
    refuse: Callable[[Refused], Answer]
    # Faults that this kind of server always has, by probability.
    quirks: Mapping[str, float] = field(default_factory=dict)
    # Work is kept in the memory of its process.
    forgets_at_restart: bool = True
    key_scheme: str = "Bearer"
    announce: Callable[[Server], Announce] = _silent
    signature: Callable[[str], Sign] = StandardWebhooks
