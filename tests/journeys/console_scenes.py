"""A console with something to see: a busy hour, a broken machine, pools taken out, dead letters, a trail of acts."""

from datetime import datetime, timedelta
from math import sin
from uuid import uuid4

from django.utils import timezone

from jobs import pools
from jobs.models import Lease, Pool, PoolChange
from notifications.models import Delivery, ParkedEvent
from scheduler import acts, operations, readings
from scheduler.models import Operation, Reading
from tests.factories import Person, expire_lease, person, published, queued
from tests.journeys import scenes

_HOUR_OF_READINGS = 240


def a_busy_hour(owner: Person) -> dict[str, str]:
    """Fill the console; give addresses of its pages by name."""
    jobs = scenes.a_full_day(owner)
    _more_pools()
    for number in range(4):
        school = person(f"school{number}", tier="free")
        for _ in range(4):
            queued(
                school, scenes.HOSTILE if number == 2 else "A paper boat in the gutter, low angle"
            )
    _stuck()
    published()
    readings.take()
    _an_hour_before(Reading.objects.get())
    acts.record(
        "j.osei@example.com",
        "pool.capacity",
        "preview",
        reason="Node maintenance",
        outcome="Slots are set: preview has 3.",
    )
    acts.record(
        "m.ruiz@example.com",
        "pool.quarantine",
        "lab-rtx",
        reason=scenes.HOSTILE[:300],
        outcome="lab-rtx is quarantined until somebody resumes it.",
    )
    made = _operations(owner)
    _dead(owner)
    return {
        "console": "/console/",
        "console-capacity": "/console/capacity?slots-preview=1",
        "console-pool": "/console/pools/preview",
        "console-pool-drain": "/console/pools/preview/drain",
        "console-jobs": f"/console/jobs?q={owner.user.email}",
        "console-job-hostile": f"/console/jobs/{jobs['hostile']}",
        "console-operation-new": "/console/operations/new",
        "console-operation": f"/console/operations/{made['counted'].id}",
        "console-operation-running": f"/console/operations/{made['running'].id}",
        "console-tenants": "/console/tenants",
        "console-dead": "/console/dead",
        "console-audit": "/console/audit",
    }


def _more_pools() -> None:
    for name, state, reason in (
        ("sglang-b", "active", ""),
        ("omni-hd", "draining", "New drivers tonight"),
        ("lab-rtx", "quarantined", "5 attempts failed in a row. The last one: out of memory"),
    ):
        pools.put(
            name,
            {
                "driver": "preview",
                "slots": 8,
                "model_names": ["preview"],
                "seconds": [4],
                "sizes": ["854x480"],
            },
            actor="m.ruiz@example.com",
        )
        if reason:
            pools.change(name, actor="m.ruiz@example.com", reason=reason, state=state)
    pools.set_capacity(
        {"sglang-b": 4},
        actor="j.osei@example.com",
        reason="Cooling fault in rack 4",
        restore_at=timezone.now() + timedelta(hours=3),
    )
    PoolChange.objects.filter(pool="sglang-b").exclude(reason="").update(
        at=timezone.now() - timedelta(minutes=25)
    )
    Pool.objects.filter(name="lab-rtx").update(last_error="Connection refused by 10.0.4.7:8000")
    Pool.objects.update(answered_at=timezone.now() - timedelta(seconds=2))


def _stuck() -> None:
    """Let two of those that run fall silent, on one machine."""
    held = list(Lease.objects.order_by("slot").values_list("job_id", flat=True)[:2])
    for job_id in held:
        expire_lease(job_id)
    Lease.objects.filter(job_id__in=held).update(
        picked_up_at=timezone.now() - timedelta(minutes=16), worker="gpu.preview@gpu-7"
    )


def _an_hour_before(now: Reading) -> None:
    """Repeat a reading over the hour before it, a little different each time."""
    now.figures |= {
        "good": 310, "bad": 4, "webhook": 282, "asked": 32,
        "ends": {
            "preview": {"good": 180, "bad": 2, "took": [47.0, 82.0]},
            "sglang-b": {"good": 130, "bad": 2, "took": [31.0, 65.0]},
        },
    }  # fmt: skip
    now.accounts |= {"seconds": 82_000, "active": {"pro": 2, "free": 5, "enterprise": 1}}
    for number, account in enumerate(now.accounts["accounts"]):
        account["used"] = 36_000 / (number + 1)
    made = [
        _reading(now, step, at=now.taken_at - timedelta(seconds=15 * step))
        for step in range(1, _HOUR_OF_READINGS)
    ]
    Reading.objects.bulk_create(made)
    Reading.objects.filter(taken_at=now.taken_at).update(
        figures=_reading(now, 0, at=now.taken_at).figures, accounts=now.accounts
    )


def _reading(now: Reading, step: int, *, at: datetime) -> Reading:
    is_after = step < 100
    wave = sin(step / 9) + sin(step / 23)
    growth = (100 - step) / 100 if is_after else 0.0
    waits = {
        "enterprise": [4.0, 40 + 3 * wave, 60.0],
        "pro": [38.0, 240 + 600 * growth + 20 * wave, 664.0],
        "free": [600.0, 1000 + 1900 * growth + 60 * wave, 3100.0],
    }
    figures = now.figures | {
        "arrived": round(15 + wave, 1),
        "ended": round((11 if is_after else 15.5) + sin(step / 7), 1),
        "waiting": round(40 + 30 * growth + 2 * wave),
        "waits": waits | {"": waits["pro"]},
        "pools": {
            "preview": [3, 3], "sglang-b": [round(3 + wave / 2), 4],
            "omni-hd": [round(6 + wave), 8], "lab-rtx": [0 if is_after else 7, 8],
        },
    }  # fmt: skip
    return Reading(taken_at=at, figures=figures, accounts={})


def _operations(owner: Person) -> dict[str, Operation]:
    counted = operations.prepare(
        name="School flood", doing="cancel", filters={"tier": "free"}, tier="",
        actor="j.osei@example.com", reason="One classroom sends the same prompt over and over.",
    )  # fmt: skip
    operations.work(lambda: 0.5)
    running = operations.prepare(
        name="Put back lab-rtx", doing="put_back", filters={"pool": "lab-rtx"}, tier="",
        actor="m.ruiz@example.com", reason="The node goes down.",
    )  # fmt: skip
    Operation.objects.filter(id=running.id).update(
        state="running", counted=318, done=120, skipped=4
    )
    return {"counted": counted, "running": running}


def _dead(owner: Person) -> None:
    ParkedEvent.objects.create(
        event_id=7, subscriber="notifications.centre.add", error="KeyError: 'state'", try_count=3
    )
    for _ in range(3):
        a_dead_webhook(owner)


def a_dead_webhook(owner: Person) -> None:
    """Leave a delivery that its receiver did not take in three days."""
    Delivery.objects.create(
        id=uuid4(), event_id=uuid4().int % 2**31, owner_id=owner.id, name="job.succeeded", subject_id=uuid4(),
        channel="webhook", target="t", message_id="m", state="abandoned", attempt=12,
        reason="It answered 503 Service Unavailable twelve times in 3 days.", due_at=None,
        ended_at=timezone.now(),
    )  # fmt: skip
