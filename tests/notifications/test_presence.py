"""Pages that say whether they are looked at, over the socket; and mail that a crash repeats."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.cache import cache

from notifications import holds, preferences, presence
from notifications.models import Delivery, Route
from notifications.websocket import FeedConsumer
from proofs.sinks.running import sink
from tests.factories import Person, ann
from tests.notifications.test_email import ends
from tests.notifications.test_respect import time_passes

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]


async def _says(owner: Person, *kinds: str, leaves: bool = False) -> bool:
    """Open a socket, say these, and tell whether the owner counts as looking."""
    scope = {"type": "websocket", "path": "/ws/feed", "headers": [], "user": owner.user}
    # asgiref gives its communicator no types.
    page: Any = cast("Any", ApplicationCommunicator)(FeedConsumer.as_asgi(), scope)
    await page.send_input({"type": "websocket.connect"})
    assert (await page.receive_output(5))["type"] == "websocket.accept"
    for kind in [*kinds, "nonsense"]:
        message = json.dumps({"type": kind})
        await page.send_input({"type": "websocket.receive", "text": message})
    # Answered in order, so what was said before the nonsense has been heard.
    assert (await page.receive_output(5))["type"] == "websocket.close"
    found = await asyncio.to_thread(presence.is_looking, owner.id)
    await page.send_input({"type": "websocket.disconnect", "code": 1000})
    await page.wait(5)
    return await asyncio.to_thread(presence.is_looking, owner.id) if leaves else found


@pytest.mark.parametrize(
    ("kinds", "leaves", "is_looking"),
    [
        ([], False, False),
        (["looking"], False, True),
        (["looking", "away"], False, False),
        (["looking"], True, False),
    ],
)
def test_a_page_is_looked_at_while_it_is_visible_and_open(
    kinds: list[str], leaves: bool, is_looking: bool
) -> None:
    cache.clear()

    assert asyncio.run(_says(ann(), *kinds, leaves=leaves)) is is_looking


def test_a_daily_mail_that_a_crash_repeats_has_the_same_id(
    tmp_path: Path, settings: Any, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    preferences.wish(owner.id, daily_mail_at="18:00")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with sink("smtp", tmp_path) as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        for prompt in ("one", "two"):
            ends(owner, prompt)
        relay_all()
        carry_all()
        time_passes()
        holds.release(limit=10)
        carry_all()
        # As if its courier had died between the server's answer and the note of it.
        summary = Delivery.objects.filter(name="notices.summed")
        summary.update(state="scheduled", due_at="2020-01-01T00:00:00Z", ended_at=None)
        Route.objects.update(next_at="2020-01-01T00:00:00Z")
        carry_all()

        arrived = server.arrived()
    assert [one["subject"] for one in arrived] == 2 * ["Your day: 2 notices"]
    assert {one["id"] for one in arrived} == {summary.get().message_id}
