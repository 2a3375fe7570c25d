"""From the commit of an event to an open page's socket, through a relay and a push process of their own.

`bin/bench relay` records events one by one, as an idle machine has them, and prints milliseconds. The clock starts when
the commit has returned and stops when the client has the message.
"""

import json
import os
import statistics
import time
from uuid import UUID, uuid4

from proofs.installation import installation

_EVENTS = 400
_WARM_UP = 20
_PATIENCE = 10.0


def measure() -> dict[str, float]:
    """Give the figures by name."""
    with installation() as place, place.loops("relay"):
        from django.conf import settings  # noqa: PLC0415 - after django.setup
        from django.test import Client  # noqa: PLC0415
        from websockets.sync.client import connect  # noqa: PLC0415
        from websockets.typing import Origin  # noqa: PLC0415

        from videogen.accounts.models import User  # noqa: PLC0415

        user = User.objects.create_user("ann@bench.example", None, tier="internal")
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        took = []
        with connect(
            f"ws://127.0.0.1:{place.push_port}/ws/feed",
            origin=Origin(settings.PUBLIC_URL),
            additional_headers={"Cookie": f"{name}={client.cookies[name].value}"},
        ) as socket:
            socket.send(json.dumps({"type": "catch_up", "after": 0}))
            socket.recv(timeout=_PATIENCE)
            for number in range(_WARM_UP + _EVENTS):
                committed = _record(UUID(str(user.pk)))
                message = json.loads(socket.recv(timeout=_PATIENCE))
                arrived = time.perf_counter()
                if message["head"] != number + 1:
                    raise SystemExit(f"Event {number + 1} came as {message['head']}.")
                if number >= _WARM_UP:
                    took.append((arrived - committed) * 1000)
                # Not in step with the relay's pauses.
                time.sleep(0.02 + 0.1 * int.from_bytes(os.urandom(1)) / 255)
    return {
        "events": len(took),
        "commit_to_socket_median_ms": statistics.median(took),
        "commit_to_socket_p95_ms": statistics.quantiles(took, n=20)[-1],
        "commit_to_socket_p99_ms": statistics.quantiles(took, n=100)[-1],
        "commit_to_socket_max_ms": max(took),
    }


def _record(owner_id: UUID) -> float:
    from django.db import transaction  # noqa: PLC0415 - after django.setup

    from notifications import outbox  # noqa: PLC0415

    with transaction.atomic():
        outbox.record("job.started", subject_id=uuid4(), owner_id=owner_id, payload={"version": 1})
    return time.perf_counter()
