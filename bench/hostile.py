"""What hostile webhook endpoints cost the others: from an event's record to its arrival at healthy ones.

`bin/bench hostile` sends the same events twice: first every endpoint answers, then half of them hang, drip, flood,
redirect to a metadata address or fail. It exits with a sentence when a healthy one misses an event or gets two.
"""

import statistics
import time
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

from proofs.installation import Installation, installation, until

_OWNERS = 12
_EVENTS = 360
# Between two events, seconds.
_PACE = 1 / 15
_HOSTILE = ("hang", "drip", "flood", "redirect", "status/500", "hang")


def measure() -> dict[str, float]:
    """Give the figures by name."""
    with installation() as place, place.loops("relay", "courier"):
        calm = _phase(place, "calm", others=["ok"])
        hostile = _phase(place, "hostile", others=list(_HOSTILE))
        followed = sum(line.get("method") == "GET" for line in place.http.arrived())
    if followed:
        raise SystemExit(f"{followed} redirects were followed.")
    return {
        "healthy_endpoints": _OWNERS,
        "other_endpoints": _OWNERS,
        "events_each_phase": _EVENTS,
        **{f"calm_{name}": value for name, value in calm.items()},
        **{f"hostile_{name}": value for name, value in hostile.items()},
        "p95_growth": hostile["p95_ms"] / calm["p95_ms"],
        "median_growth": hostile["median_ms"] / calm["median_ms"],
        "redirects_followed": followed,
    }


def _phase(place: Installation, name: str, *, others: list[str]) -> dict[str, float]:
    healthy = [_listener(place, f"/{name}/{number}") for number in range(_OWNERS)]
    rest = [
        _listener(place, f"/{others[number % len(others)]}/{name}{number}")
        if not others[number % len(others)].startswith("status")
        else _listener(place, f"/{others[number % len(others)]}")
        for number in range(_OWNERS)
    ]
    # Everybody was reached before.
    for owner in healthy:
        _record(owner)
    until(lambda: len(_arrived(place, name)) == _OWNERS, "the first messages arrived")
    recorded: dict[str, float] = {}
    for number in range(_EVENTS):
        recorded[_record(healthy[number % _OWNERS])] = time.time()
        _record(rest[number % _OWNERS])
        time.sleep(_PACE)
    until(lambda: len(_arrived(place, name)) >= _OWNERS + _EVENTS, "every event arrived", every=0.5)
    arrived = _arrived(place, name)
    counts = Counter(line["id"] for line in arrived)
    if set(counts.values()) != {1} or not recorded.keys() <= counts.keys():
        raise SystemExit(f"Not told once: {len(counts)} ids of {len(arrived)} messages.")
    took = [
        (line["at"] - recorded[line["id"]]) * 1000 for line in arrived if line["id"] in recorded
    ]
    return {
        "median_ms": statistics.median(took),
        "p95_ms": statistics.quantiles(took, n=20)[-1],
        "max_ms": max(took),
    }


def _arrived(place: Installation, name: str) -> list[dict[str, Any]]:
    return [line for line in place.http.arrived() if line["path"].startswith(f"/{name}/")]


def _listener(place: Installation, path: str) -> UUID:
    from notifications import webhook_endpoints  # noqa: PLC0415 - after django.setup

    owner_id = uuid4()
    url = f"http://127.0.0.1:{place.http.port}{path}"
    webhook_endpoints.create(owner_id, url=url, event_types=["video.completed"])
    return owner_id


def _record(owner_id: UUID) -> str:
    from notifications import outbox  # noqa: PLC0415 - after django.setup
    from notifications.message_ids import public_id  # noqa: PLC0415
    from notifications.models import OutboxEvent  # noqa: PLC0415

    subject = uuid4()
    outbox.record("job.succeeded", subject_id=subject, owner_id=owner_id, payload={"version": 1})
    event_id = OutboxEvent.objects.values_list("id", flat=True).get(subject_id=subject)
    return public_id(subject, f"job.succeeded:{event_id}")
