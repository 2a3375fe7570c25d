"""What bounding and telling cost: submissions through a door, refusals, reads of waiting jobs, one publish.

`bin/bench doors` gives milliseconds of wall time, and submissions a second of eight threads into one line, through its
gates and at its door.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import UUID, uuid4

from bench import private

_TIMES = 300
_WARM_UP = 50
_THREADS = 8
_ROUNDS = 3
_LANES = 20_000


def measure() -> dict[str, float]:
    """Measure each alone; give every figure by name, with its unit."""
    with private.application():
        return _measure()


def _measure() -> dict[str, float]:
    from jobs import gates, requests, submission  # noqa: PLC0415 - after django.setup
    from jobs.models import Door, Gate, Line, Tier  # noqa: PLC0415
    from scheduler.publisher import Publisher  # noqa: PLC0415

    private.add_owner("first", slots=4)
    Tier.objects.update(
        queued_limit=None, submissions_per_minute=None, jobs_per_day=None, gpu_seconds_per_day=None
    )
    owners = [_paying(f"paying-{number}") for number in range(_THREADS)]
    publisher = Publisher()
    publisher.publish()
    line = Line.objects.get(tier_id="enterprise", kind="preview")
    numbers = iter(range(1_000_000))

    def submit(owner_id: UUID) -> None:
        request = requests.read({"prompt": f"A whale, take {next(numbers)}", "seconds": 4})
        submission.submit(request, owner_id=owner_id)

    Door.objects.update(bound=None, lent=0)
    Gate.objects.update(room=0, added=0)
    found = _figures("submit_unbounded", partial(submit, owners[0]))
    found["submits_per_s_unbounded"] = _rate(submit, owners)
    Door.objects.filter(line=line).update(bound=1e9, drain=1.0)
    found |= _figures("submit_bounded", partial(submit, owners[0]))
    # In turn, because the machine's own pace changes.
    rates: dict[float, list[float]] = {0.0: [], 1e6: []}
    for _ in range(_ROUNDS):
        for room, found_rates in rates.items():
            Door.objects.filter(line=line).update(lent=room * gates.COUNT)
            Gate.objects.filter(line=line).update(room=room, added=0)
            found_rates.append(_rate(submit, owners))
    for name, room in (("shut", 0.0), ("open", 1e6)):
        found[f"submits_per_s_one_line_gates_{name}"] = statistics.median(rates[room])
    Gate.objects.update(room=0, added=0)
    found |= _reads(owners[0])
    Door.objects.filter(line=line).update(bound=1.0, drain=1.0, lent=0)
    found |= _figures("refusal", partial(_refused, submit, owners[0]))
    _add_lanes(line.id)
    began = time.perf_counter()
    publisher.publish()
    found["publish_20000_lanes_ms"] = (time.perf_counter() - began) * 1000
    return found


def _paying(name: str) -> UUID:
    from jobs import ledger  # noqa: PLC0415
    from videogen.accounts.models import User  # noqa: PLC0415

    user = User.objects.create_user(f"{name}@bench.example", None, tier="enterprise")
    ledger.grant(user.pk, amount=1_000_000, reason="A benchmark", reference=name)
    return UUID(str(user.pk))


def _refused(submit: Callable[[UUID], None], owner_id: UUID) -> None:
    from jobs.errors import NoRoom  # noqa: PLC0415

    try:
        submit(owner_id)
    except NoRoom:
        return
    raise AssertionError("The door let a job in that it should have refused.")


def _reads(owner_id: UUID) -> dict[str, float]:
    from jobs import outlooks  # noqa: PLC0415
    from jobs.api import representation  # noqa: PLC0415
    from jobs.models import Job  # noqa: PLC0415

    mine = Job.objects.owned_by(owner_id).newest_first().values(*representation.FIELDS)

    def read(count: int, *, is_told: bool) -> None:
        rows = list(mine[:count])
        whys = outlooks.explain(rows, owner_id=owner_id) if is_told else {}
        for row in rows:
            representation.of(row, why=whys.get(row["id"]))

    return {
        **_figures("get_one_untold", partial(read, 1, is_told=False)),
        **_figures("get_one", partial(read, 1, is_told=True)),
        **_figures("list_50_untold", partial(read, 50, is_told=False)),
        **_figures("list_50", partial(read, 50, is_told=True)),
    }


def _add_lanes(line_id: int) -> None:
    from django.utils import timezone  # noqa: PLC0415

    from jobs.models import Lane  # noqa: PLC0415

    Lane.objects.bulk_create(
        [
            Lane(
                owner_id=uuid4(),
                line_id=line_id,
                state=1,
                tag=float(number % 997),
                work=40.0,
                head_id=uuid4(),
                head_cost=4.0,
                head_since=timezone.now(),
            )
            for number in range(_LANES)
        ],
        batch_size=2000,
    )


def _figures(name: str, act: Callable[[], None]) -> dict[str, float]:
    times = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    kept = times[_WARM_UP:]
    return {
        f"{name}_median_ms": statistics.median(kept),
        f"{name}_p95_ms": statistics.quantiles(kept, n=20)[-1],
    }


def _rate(submit: Callable[[UUID], None], owners: list[UUID]) -> float:
    from django.db import connection  # noqa: PLC0415

    def run(owner_id: UUID) -> None:
        for _ in range(_TIMES):
            submit(owner_id)
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(len(owners)) as pool:
        list(pool.map(run, owners))
    return len(owners) * _TIMES / (time.perf_counter() - began)
