"""Browsers and phones for tests, at the vendors' edge that runs as a process of its own."""

import json
from typing import Any
from urllib.request import urlopen

from notifications import push_targets, vapid
from notifications.models import PushDevice, PushSubscription
from proofs.sinks.running import Sink
from tests.factories import Person


def a_subscription(edge: Sink, *, status: int = 201) -> dict[str, Any]:
    """Give what a new browser's `PushSubscription.toJSON()` gives."""
    with urlopen(f"http://127.0.0.1:{edge.port}/subscribe?status={status}") as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def a_browser(owner: Person, edge: Sink, *, status: int = 201) -> PushSubscription:
    """Register a new browser of somebody's."""
    found, _ = push_targets.add_browser(
        owner.id,
        a_subscription(edge, status=status),
        vapid_key=vapid.public_key(),
        agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        session="",
    )
    return found


def a_phone(owner: Person, app: str = "good-1") -> PushDevice:
    """Register an app of somebody's; the beginning of its name says how FCM answers."""
    values = {"platform": "android", "token": app, "name": "Pixel"}
    found, _ = push_targets.add_device(owner.id, values, session="")
    return found


def arrived(edge: Sink, kind: str) -> list[dict[str, Any]]:
    """Give what came to browsers (`web_push`) or phones (`mobile_push`)."""
    assert [line for line in edge.arrived() if line["kind"] == "refused"] == []
    return [line for line in edge.arrived() if line["kind"] == kind]
