"""What a server tells of itself: whether it is healthy, and which models it serves."""

from typing import Any, Final

from videogen.fake_gpu.dialects.dialect import Route, open_route, route
from videogen.fake_gpu.faults import Place
from videogen.fake_gpu.http import Answer, Request, json_answer
from videogen.fake_gpu.server import Server

# Every model is as old as the first of them; nobody asks.
_CREATED: Final = 1_700_000_000


def health(**told: str) -> Route:
    """Answer /health without a key: with an empty body, or with what is told."""

    def handle(_server: Server, _request: Request, _subject: str) -> Answer:
        return json_answer(told) if told else Answer()

    return open_route("GET", "/health", handle, Place.HEALTH)


def models(*served: str, owner: str, **details: Any) -> Route:
    """Answer /v1/models with the model of the options, or else with these."""

    def handle(server: Server, _request: Request, _subject: str) -> Answer:
        named = [server.options.model] if server.options.model else served
        data = [
            {"id": name, "object": "model", "created": _CREATED, "owned_by": owner, **details}
            for name in named
        ]
        return json_answer({"object": "list", "data": data})

    return route("GET", "/v1/models", handle)
