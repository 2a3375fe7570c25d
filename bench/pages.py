"""What a page costs the server where an owner had 10,000 jobs in a day: milliseconds, the fastest of several.

And how smoothly Chromium scrolls the two longest of them, while videos end.
"""

import time
from typing import Any, Final

from bench import days, private, smooth

_TIMES: Final = 15


def measure() -> dict[str, float]:
    """Fill a day and ask for every page."""
    with private.application():
        from django.conf import settings  # noqa: PLC0415 - after django.setup
        from django.test import Client  # noqa: PLC0415

        from videogen.accounts.models import User  # noqa: PLC0415

        owner = private.add_owner("pages")
        person = User.objects.get(pk=owner)
        addresses = _addresses(person)
        person.is_staff = person.is_superuser = True
        person.save(update_fields=["is_staff", "is_superuser"])
        client = Client(SERVER_NAME="localhost")
        client.force_login(person)
        found: dict[str, float] = {}
        for name, address in addresses.items():
            wall, processor = _cost(client, name, address)
            found |= {f"{name}, ms": wall, f"{name}, Python ms": processor}
        return found | smooth.measure(person, client.cookies[settings.SESSION_COOKIE_NAME].value)


def _addresses(person: Any) -> dict[str, str]:
    from django.conf import settings  # noqa: PLC0415 - after django.setup

    from jobs.models import Batch, Job  # noqa: PLC0415
    from notifications import webhook_endpoints  # noqa: PLC0415
    from notifications.models import Delivery  # noqa: PLC0415
    from videogen.accounts import keys  # noqa: PLC0415

    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    endpoint, _ = webhook_endpoints.create(
        person.pk,
        url="http://127.0.0.1:1/hook",
        event_types=["video.completed"],
        name="bench",
    )
    for number in range(20):
        keys.create(person, name=f"key {number}")
    days.fill(person.pk, endpoint=endpoint.id)
    job = Job.objects.filter(owner_id=person.pk, state="succeeded").first()
    batch = Batch.objects.first()
    sent = Delivery.objects.filter(target=str(endpoint.id)).first()
    assert job is not None  # noqa: S101 - they were made above
    assert batch is not None  # noqa: S101
    assert sent is not None  # noqa: S101
    return {
        "studio": "/",
        "studio again (JSON)": "/",
        "one card (JSON)": f"/jobs/{job.id}/card",
        "job": f"/jobs/{job.id}/",
        "batch": f"/batches/{batch.id}",
        "history": "/history",
        "history of the day": "/history?day=today",
        "history, failed": "/history?state=failed",
        "history, text in one": "/history?q=sea.+9999",
        "history, text in none": "/history?q=nothing+has+this",
        "usage, nothing remembered": "/usage",
        "usage": "/usage",
        "usage as a file": "/usage.csv",
        "notifications": "/notifications",
        "what we sent you": "/notifications/sent",
        "preferences": "/notifications/preferences",
        "numbers (JSON)": "/numbers",
        "account": "/account",
        "devices": "/account/devices",
        "push": "/account/push",
        "keys": "/account/keys",
        "webhooks": "/account/webhooks",
        "webhook with its log": f"/account/webhooks/{endpoint.id}",
        "one delivery": f"/account/webhooks/{endpoint.id}/deliveries/{sent.id}",
        "console": "/console/",
        "console, live part": "/console/live",
        "console, charts": "/console/charts",
        "console, jobs of an owner": f"/console/jobs?q={person.email}",
        "console, one job": f"/console/jobs/{job.id}",
        "console, pool": "/console/pools/preview",
        "console, capacity": "/console/capacity?slots-preview=3",
        "console, act on many": "/console/operations/new",
        "console, tenants": "/console/tenants",
        "console, dead letters": "/console/dead?kind=webhooks",
        "console, audit": "/console/audit",
        "admin": "/admin/",
        "admin, jobs": "/admin/jobs/job/",
        "admin, ledger": "/admin/jobs/ledgerentry/",
        "admin, deliveries": "/admin/notifications/delivery/",
    }


def _cost(client: object, name: str, address: str) -> tuple[float, float]:
    from django.core.cache import cache  # noqa: PLC0415 - after django.setup
    from django.test import Client  # noqa: PLC0415

    if not isinstance(client, Client):
        raise TypeError(client)
    accept = "application/json" if "JSON" in name else "text/html"
    client.get(address, headers={"accept": accept})
    took, worked = [], []
    for _ in range(_TIMES):
        if "nothing remembered" in name:
            cache.clear()
        began, worked_before = time.perf_counter(), time.process_time()
        answer = client.get(address, headers={"accept": accept})
        took.append(1_000 * (time.perf_counter() - began))
        worked.append(1_000 * (time.process_time() - worked_before))
        if answer.status_code != 200:
            raise RuntimeError(f"{address} answered {answer.status_code}")
    # The others were slowed by something else on the machine.
    return min(took), min(worked)
