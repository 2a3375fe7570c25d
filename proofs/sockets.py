"""500 sockets on one push process and 5,000 completions: at the end every page shows what the database says.

Connections break at random and come back; some pages stay idle for minutes and are told all the same; some stop
reading, are let go and recover; in the middle Redis loses everything, and later is gone for a minute. The pages are a
process of their own (proofs/sinks/pages.py); what is expected comes from the database.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final
from uuid import UUID

from proofs.installation import Installation, installation

_ROOT: Final = Path(__file__).resolve().parent.parent
_SOCKETS: Final = 500
_COMPLETIONS: Final = 5_000
_AWAY_SECONDS: Final = 60.0
# Two tabs each; of a small part of the pages, what they do besides.
_TABS: Final = 2
_IDLE: Final = 10
_STOPS: Final = 6
_HOARDS: Final = 2
_BATCH: Final = 50
# Idle pages hear nothing for at least so long, seconds; a page catches up by itself every 30.
_IDLE_SECONDS: Final = 150.0
_SETTLED_WITHIN: Final = 90.0


@dataclass(frozen=True, slots=True)
class Person:
    """An owner, and the habits of the pages that they have open."""

    owner_id: UUID
    cookie: str
    habits: Sequence[str]


class Pages:
    """The process that holds the sockets."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def shown(self) -> list[dict[str, Any]]:
        """Ask what every page shows now."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("The pages have no pipes.")
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: list[dict[str, Any]] = json.loads(self._process.stdout.readline())
        return found


def holds() -> bool:
    """Run it whole."""
    return run(sockets=_SOCKETS, completions=_COMPLETIONS, away=_AWAY_SECONDS, idle=_IDLE_SECONDS)


def run(*, sockets: int, completions: int, away: float, idle: float) -> bool:
    """Run it with so many sockets and completions; print figures; say whether it holds."""
    with installation() as place, place.loops("relay"):
        people = _people(sockets)
        began = time.monotonic()
        memory = _memory_mb(place)
        with _opened(place, people) as pages:
            _until_connected(pages, sockets)
            print(f"  {sockets} sockets open after {time.monotonic() - began:.0f} s", flush=True)
            full = _memory_mb(place)
            _complete_with_faults(place, people, completions, away=away)
            quiet = idle - (time.monotonic() - began)
            if quiet > 0:
                time.sleep(quiet)
            idle_for = time.monotonic() - began
            for person in people:
                if "idle" in person.habits:
                    _end_jobs([person.owner_id])
            found = _settled(pages)
        faults = _faults(found, people)
        grown = (memory, full, _memory_mb(place))
    _print_figures(found, idle_for=idle_for, memory=grown)
    for fault in faults[:20]:
        print(f"  FAULT {fault}", flush=True)
    return not faults


def _people(sockets: int) -> list[Person]:
    from django.conf import settings  # noqa: PLC0415 - after django.setup
    from django.test import Client  # noqa: PLC0415

    from jobs import seeds  # noqa: PLC0415
    from jobs.models import Pool  # noqa: PLC0415
    from videogen.accounts.models import User  # noqa: PLC0415

    seeds.add_preview_pool()
    Pool.objects.update(slots=_BATCH)
    many = sockets // _TABS
    rare = ["idle"] * min(_IDLE, many // 5) + ["stops"] * min(_STOPS, many // 5)
    rare += ["hoards"] * min(_HOARDS, many // 5)
    found = []
    for number in range(many):
        user = User.objects.create_user(f"page{number}@proof.example", None, tier="internal")
        client = Client()
        client.force_login(user)
        name = settings.SESSION_COOKIE_NAME
        habit = rare[number] if number < len(rare) else "drops"
        # Nobody who is idle in one tab hears something in the other.
        habits = ("idle", "idle") if habit == "idle" else (habit, "drops")
        found.append(
            Person(UUID(str(user.pk)), f"{name}={client.cookies[name].value}", habits[:_TABS])
        )
    return found


@contextmanager
def _opened(place: Installation, people: Sequence[Person]) -> Iterator[Pages]:
    from django.conf import settings  # noqa: PLC0415 - after django.setup

    wanted = [
        {"name": str(one.owner_id), "cookie": one.cookie, "habit": habit}
        for one in people
        for habit in one.habits
    ]
    address = f"ws://127.0.0.1:{place.push_port}/ws/feed"
    process = subprocess.Popen(
        [sys.executable, "-m", "proofs.sinks.pages", address, settings.PUBLIC_URL],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdin is None:
            raise RuntimeError("The pages have no input.")
        process.stdin.write(json.dumps(wanted) + "\n")
        process.stdin.flush()
        yield Pages(process)
    finally:
        process.kill()
        process.wait()


def _until_connected(pages: Pages, sockets: int) -> None:
    deadline = time.monotonic() + _SETTLED_WITHIN
    while sum(bool(page["counts"].get("connections")) for page in pages.shown()) < sockets:
        if time.monotonic() > deadline:
            raise TimeoutError("Not every page got its first socket.")
        time.sleep(1)


def _complete_with_faults(
    place: Installation, people: Sequence[Person], completions: int, *, away: float
) -> None:
    import redis  # noqa: PLC0415 - after django.setup
    from django.conf import settings  # noqa: PLC0415

    busy = [one.owner_id for one in people if "idle" not in one.habits]
    turns = [busy[number % len(busy)] for number in range(completions)]
    batches = [turns[at : at + _BATCH] for at in range(0, completions, _BATCH)]
    gone_at, back_at = 0.0, 0.0
    for number, batch in enumerate(batches):
        if number == len(batches) // 4:
            redis.Redis.from_url(settings.REDIS_URL).flushall()
            print(f"  Redis flushed after {number * _BATCH} completions", flush=True)
        if number == len(batches) // 2:
            place.servers.stop_broker()
            gone_at = time.monotonic()
            print(f"  Redis gone after {number * _BATCH} completions", flush=True)
        _end_jobs(batch)
        if gone_at and not back_at and time.monotonic() - gone_at > away:
            back_at = _back(place, gone_at)
    if not back_at:
        time.sleep(max(0.0, away - (time.monotonic() - gone_at)))
        _back(place, gone_at)


def _back(place: Installation, gone_at: float) -> float:
    place.servers.start_broker()
    print(f"  Redis back after {time.monotonic() - gone_at:.0f} s", flush=True)
    return time.monotonic()


def _end_jobs(owners: Sequence[UUID]) -> None:
    """Submit, grant and end one job for each; a tenth of them fails."""
    from jobs import requests, submission, transitions  # noqa: PLC0415 - after django.setup
    from jobs.backends.backend import Video  # noqa: PLC0415
    from jobs.failures import FailureKind  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    video = Video(url="https://videos.example/1.mp4", thumbnail_url="")
    request = requests.read({"prompt": "A whale", "seconds": 4})
    made = [submission.submit(request, owner_id=owner).job_id for owner in owners]
    dispatch.grant_free_slots()
    for number, job_id in enumerate(made):
        transitions.start(job_id, attempt=1)
        if number % 10:
            transitions.succeed(job_id, attempt=1, video=video)
        else:
            transitions.end_attempt(
                job_id,
                attempt=1,
                failure=FailureKind.CONTENT_POLICY,
                message="It shows a whale.",
                jitter=0.5,
            )


def _settled(pages: Pages) -> list[dict[str, Any]]:
    """Wait until everything is relayed and no page learns anything new for a while."""
    from notifications.models import OutboxEvent  # noqa: PLC0415 - after django.setup

    deadline = time.monotonic() + _SETTLED_WITHIN
    heads = dict(_heads())
    while time.monotonic() < deadline:
        found = pages.shown()
        heads = dict(_heads())
        is_relayed = not OutboxEvent.objects.filter(relayed_at=None).exists()
        if is_relayed and all(len(page["applied"]) >= heads.get(page["name"], 0) for page in found):
            break
        time.sleep(1)
    return pages.shown()


def _heads() -> Iterator[tuple[str, int]]:
    from notifications.models import FeedHead  # noqa: PLC0415 - after django.setup

    for owner_id, sequence in FeedHead.objects.values_list("owner_id", "sequence"):
        yield str(owner_id), sequence


def _faults(found: Sequence[dict[str, Any]], people: Sequence[Person]) -> list[str]:
    """Compare every page with the database."""
    from jobs.events import OF_STATE  # noqa: PLC0415 - after django.setup
    from jobs.models import Job  # noqa: PLC0415
    from jobs.states import JobState  # noqa: PLC0415

    heads = dict(_heads())
    truth: dict[str, dict[str, str]] = defaultdict(dict)
    for job_id, owner_id, state in Job.objects.values_list("id", "owner_id", "state"):
        truth[str(owner_id)][str(job_id)] = OF_STATE[JobState(state)]
    faults = []
    for number, page in enumerate(found):
        who = f"page {number} ({page['habit']})"
        expected = set(range(1, heads.get(page["name"], 0) + 1))
        if missing := expected - set(page["applied"]):
            faults.append(f"{who} misses {len(missing)} events")
        if len(page["applied"]) != len(set(page["applied"])):
            faults.append(f"{who} shows events twice")
        if page["jobs"] != truth[page["name"]]:
            faults.append(f"{who} shows another state than the database")
        if page["habit"] in {"stops", "hoards"} and not page["counts"].get("let_go"):
            faults.append(f"{who} read nothing and was not let go")
    if len(found) != sum(len(one.habits) for one in people):
        faults.append("some pages are gone")
    return faults


def _memory_mb(place: Installation) -> float:
    import psutil  # noqa: PLC0415 - only here

    return float(psutil.Process(place.push_pid).memory_info().rss) / 2**20


def _print_figures(
    found: Sequence[dict[str, Any]], *, idle_for: float, memory: Sequence[float]
) -> None:
    total: Counter[str] = Counter()
    for page in found:
        total.update(page["counts"])
    late = sorted(ms for page in found for ms in page["late_ms"])
    applied = sum(len(page["applied"]) for page in found)
    print(
        f"  {len(found)} pages applied {applied:,} events; {total['connections']:,} connections,"
        f" {total['breaks']:,} broke or failed, {total['catch_ups']:,} catch-ups, {total['gaps']:,} gaps,"
        f" {total['repeats']:,} repeats dropped; {total['let_go']} that read nothing were let go"
    )
    if len(late) > 1:
        print(
            f"  recorded to shown, outage and broken connections included: median {median(late):.0f} ms,"
            f" p99 {quantiles(late, n=100)[98]:.0f} ms; idle pages heard nothing for {idle_for:.0f} s"
        )
    before, full, after = memory
    print(f"  memory of the push process: {before:.0f} MB, {full:.0f} full, {after:.0f} at the end")


def main() -> int:
    """Run it smaller, or with another outage."""
    parser = argparse.ArgumentParser(prog="python -m proofs.sockets")
    parser.add_argument("--sockets", type=int, default=_SOCKETS)
    parser.add_argument("--completions", type=int, default=_COMPLETIONS)
    parser.add_argument("--away", type=float, default=_AWAY_SECONDS, help="seconds without Redis")
    parser.add_argument(
        "--idle", type=float, default=_IDLE_SECONDS, help="least seconds of idleness"
    )
    options = parser.parse_args()
    return not run(**vars(options))


if __name__ == "__main__":
    sys.exit(main())
