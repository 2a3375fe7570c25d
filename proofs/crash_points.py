"""Kill -9 before and after every step of relay and courier: nothing is missing, and nothing is visibly double.

Sinks are processes of their own: a webhook receiver, a mail server, a page's socket, and the vendors' edge of pushes
with a browser and a phone behind it. What is expected comes from the database, what arrived from their journals.

A round ends jobs, lets the loops run into one crash point, starts them again without it, waits until nothing is left to
do, and compares. In `redis.flushed` and `redis.away` Redis loses everything, or is gone, in the middle; in `holds.…`
mails wait for the daily one.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from proofs.installation import Installation, asked, installation, until
from proofs.sinks.running import Sink

_ROOT: Final = Path(__file__).resolve().parent.parent
_PROGRESS: Final = _ROOT / ".data" / "proofs" / "crash-points.json"
_REDIS: Final = ("redis.flushed", "redis.away")
_ENDS: Final = ("job.succeeded", "job.failed", "job.expired")
_AWAY_SECONDS: Final = 60.0
_FACTS: Final = 3


@dataclass(frozen=True, slots=True)
class Round:
    """One owner with an endpoint, a mailbox, a browser and a phone that are told by push, and an open page."""

    owner_id: UUID
    path: str
    email: str
    browser: str
    phone: str
    page: Sink


def holds() -> bool:
    """Run every point that did not hold for this version of the code yet."""
    from notifications.crash_points import PLACES, RELEASES  # noqa: PLC0415 - it needs no settings

    version = _version()
    done = _done(version)
    wanted = [place for place in (*PLACES, *RELEASES, *_REDIS) if place not in done]
    if done:
        print(f"  {len(done)} points held before; {len(wanted)} are left", flush=True)
    return run(wanted, version=version, away=_AWAY_SECONDS)


def run(places: list[str], *, version: str = "", away: float) -> bool:
    """Run rounds, and remember those that hold when a version is given."""
    if not places:
        return True
    faults: dict[str, list[str]] = {}
    with installation() as place:
        _prepare()
        for number, name in enumerate(places, 1):
            began = time.monotonic()
            found, repeats = _round(place, name, number, away=away)
            faults[name] = found
            word = "; ".join(found) if found else "holds"
            seconds = time.monotonic() - began
            print(
                f"  {number:2}/{len(places)} {name:<28} {word}, {repeats} repeats suppressed, {seconds:.0f} s",
                flush=True,
            )
            if version and not found:
                _remember(version, name)
        faults["invariants"] = _broken_invariants()
        for fault in faults["invariants"]:
            print(f"  invariant: {fault}")
    return not any(faults.values())


def _round(place: Installation, name: str, number: int, *, away: float) -> tuple[list[str], int]:
    one, page = _open(place, number)
    try:
        if name in _REDIS:
            _without_redis(place, name, one, away=away)
        elif name.startswith("holds."):
            return _held(place, name, one)
        else:
            with place.loops("relay", "courier", crash_point=name) as dies:
                _end_jobs(one)
                until(lambda: dies.poll() is not None, f"{name} is reached")
            if dies.returncode != -signal.SIGKILL:
                return [f"the loops ended by themselves with {dies.returncode}"], 0
            with place.loops("relay", "courier"):
                _wait_for_quiet(one)
        return _compare(place, one)
    except TimeoutError as late:
        return [str(late)], 0
    finally:
        page.kill()
        page.wait()


def _without_redis(place: Installation, name: str, one: Round, *, away: float) -> None:
    import redis  # noqa: PLC0415 - after django.setup
    from django.conf import settings  # noqa: PLC0415

    with place.loops("relay", "courier"):
        _end_jobs(one)
        if name == "redis.flushed":
            redis.Redis.from_url(settings.REDIS_URL).flushall()
            _end_jobs(one)
        else:
            place.servers.stop_broker()
            ends = time.monotonic() + away
            _end_jobs(one)
            time.sleep(max(0.0, ends - time.monotonic()))
            place.servers.start_broker()
            _end_jobs(one)
        _wait_for_quiet(one)


def _held(place: Installation, name: str, one: Round) -> tuple[list[str], int]:
    """Let the mails wait for one daily mail, and kill whoever lets them go: it comes once."""
    from datetime import timedelta  # noqa: PLC0415 - after django.setup

    from django.db.models import F  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from notifications import preferences  # noqa: PLC0415
    from notifications.models import Delivery  # noqa: PLC0415

    at = (timezone.now() + timedelta(hours=12)).time()
    preferences.wish(one.owner_id, daily_mail_at=at.replace(microsecond=0))
    with place.loops("relay", "courier"):
        _end_jobs(one)
        _wait_for_quiet(one)
    waits = Delivery.objects.filter(owner_id=one.owner_id, state="held")
    if waits.count() != _FACTS:
        return [f"{waits.count()} mails of {_FACTS} wait"], 0
    waits.update(due_at=F("due_at") - timedelta(days=1, hours=1))
    ended = [_release(crash_point=name), _release()]
    if ended != [-signal.SIGKILL, 0]:
        return [f"the releases ended with {ended}"], 0
    with place.loops("relay", "courier"):
        _wait_for_quiet(one)
    mails = [line for line in place.smtp.arrived() if f"<{one.email}>" in line["to"]]
    summaries = _summaries(one)
    faults = _faults("mail", set(summaries), mails, same="subject")
    if len(summaries) != 1:
        faults.append(f"{len(summaries)} daily mails were made")
    return faults, len(mails) - 1


def _release(*, crash_point: str = "") -> int:
    code = "import django; django.setup(); from notifications import holds; holds.release(limit=10)"
    command = [sys.executable, "-c", code]
    return subprocess.call(command, cwd=_ROOT, env=os.environ | {"CRASH_POINT": crash_point})


def _summaries(one: Round) -> list[str]:
    from notifications.announcements import SUMMARY  # noqa: PLC0415 - after django.setup
    from notifications.models import Delivery  # noqa: PLC0415

    made = Delivery.objects.filter(owner_id=one.owner_id, name=SUMMARY)
    return list(made.values_list("message_id", flat=True))


def _open(place: Installation, number: int) -> tuple[Round, "subprocess.Popen[bytes]"]:
    from django.conf import settings  # noqa: PLC0415 - after django.setup
    from django.test import Client  # noqa: PLC0415

    from notifications import webhook_endpoints  # noqa: PLC0415
    from videogen.accounts.models import User  # noqa: PLC0415

    email = f"owner{number}@proof.example"
    user = User.objects.create_user(email, None, tier="internal")
    path = f"/ok/{number}"
    url = f"http://127.0.0.1:{place.http.port}{path}"
    webhook_endpoints.create(
        UUID(str(user.pk)), url=url, event_types=["video.completed", "video.failed"]
    )
    browser, phone = _register(place, UUID(str(user.pk)), number)
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    journal = place.folder / f"page{number}.journal"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "proofs.sinks.socket", str(journal)),
            *(f"ws://127.0.0.1:{place.push_port}/ws/feed", settings.PUBLIC_URL),
            f"{name}={client.cookies[name].value}",
        ],
        cwd=_ROOT,
    )
    page = Sink(port=place.push_port, journal=journal)
    return Round(UUID(str(user.pk)), path, email, browser, phone, page), process


def _register(place: Installation, owner_id: UUID, number: int) -> tuple[str, str]:
    """Let a browser and a phone register; give the names that the edge knows them by."""
    from notifications import push_targets, vapid  # noqa: PLC0415 - after django.setup

    subscription = json.loads(asked(place.edge, "/subscribe"))
    push_targets.add_browser(
        owner_id, subscription, vapid_key=vapid.public_key(), agent="", session=""
    )
    phone = f"phone-{number}"
    push_targets.add_device(owner_id, {"platform": "ios", "token": phone}, session="")
    return subscription["endpoint"].rpartition("/")[2], phone


def _prepare() -> None:
    from jobs import seeds  # noqa: PLC0415 - after django.setup
    from jobs.models import Pool  # noqa: PLC0415

    seeds.add_preview_pool()
    Pool.objects.update(slots=_FACTS)


def _end_jobs(one: Round) -> None:
    from jobs import requests, submission, transitions  # noqa: PLC0415 - after django.setup
    from jobs.backends.backend import Video  # noqa: PLC0415
    from jobs.failures import FailureKind  # noqa: PLC0415
    from scheduler import dispatch  # noqa: PLC0415

    video = Video(url="https://videos.example/1.mp4", thumbnail_url="")
    for number in range(_FACTS):
        request = requests.read({"prompt": f"A whale, take {number}, {time.time()}", "seconds": 4})
        job_id = submission.submit(request, owner_id=one.owner_id).job_id
        dispatch.grant_free_slots()
        transitions.start(job_id, attempt=1)
        if number:
            transitions.succeed(job_id, attempt=1, video=video)
        else:
            transitions.end_attempt(
                job_id,
                attempt=1,
                failure=FailureKind.CONTENT_POLICY,
                message="It shows a whale.",
                jitter=0.5,
            )


def _wait_for_quiet(one: Round) -> None:
    from notifications import feed  # noqa: PLC0415 - after django.setup
    from notifications.models import Delivery, OutboxEvent  # noqa: PLC0415

    def is_quiet() -> bool:
        return not (
            OutboxEvent.objects.filter(relayed_at=None).exists()
            or Delivery.objects.filter(state="scheduled").exists()
        )

    until(is_quiet, "everything was relayed and delivered")
    head = feed.head(one.owner_id)
    until(
        lambda: head in {line["id"] for line in one.page.arrived()}, "the page has the last event"
    )


def _compare(place: Installation, one: Round) -> tuple[list[str], int]:
    from notifications.message_ids import mail_id, public_id  # noqa: PLC0415 - after django.setup
    from notifications.models import Notification, OutboxEvent  # noqa: PLC0415

    events = OutboxEvent.objects.filter(owner_id=one.owner_id)
    ends = [(row.subject_id, f"{row.name}:{row.id}") for row in events.filter(name__in=_ENDS)]
    hooks = [line for line in place.http.arrived() if line["path"] == one.path]
    mails = [line for line in place.smtp.arrived() if f"<{one.email}>" in line["to"]]
    pushed = place.edge.arrived()
    browser = [line for line in pushed if line.get("to") == one.browser]
    phone = [line for line in pushed if line.get("to") == one.phone]
    public = {public_id(*end) for end in ends}
    faults = [
        *_faults("webhook", public, hooks, same="body"),
        *_faults("web push", public, browser, same="body"),
        *_faults("mobile push", public, phone, same="body"),
        *(f"the edge refused {line['body']}" for line in pushed if line["kind"] == "refused"),
        *_faults("mail", {mail_id(*end) for end in ends}, mails, same="subject"),
    ]
    shown = [line["id"] for line in one.page.arrived()]
    if shown != list(range(1, events.count() + 1)):
        faults.append(f"the page shows {shown} of {events.count()} events")
    noticed = Notification.objects.filter(owner_id=one.owner_id)
    if sorted(noticed.values_list("subject_id", flat=True)) != sorted(end[0] for end in ends):
        faults.append(f"{noticed.count()} notices of {len(ends)} ends")
    sent = len(hooks) + len(mails) + len(browser) + len(phone)
    return faults, sent - 4 * len(ends)


def _faults(
    kind: str, expected: set[str], arrived: list[dict[str, Any]], *, same: str
) -> list[str]:
    """Say what is missing, unknown, or different under the same id: what a receiver could not suppress."""
    by_id = defaultdict(set)
    for line in arrived:
        by_id[line["id"]].add(line[same])
    found = []
    if missing := expected - by_id.keys():
        found.append(f"{len(missing)} {kind}s are missing")
    if unknown := by_id.keys() - expected:
        found.append(f"{len(unknown)} {kind}s are double or of nothing")
    if changed := [one for one, texts in by_id.items() if len(texts) > 1]:
        found.append(f"{len(changed)} {kind}s changed between tries")
    return found


def _broken_invariants() -> list[str]:
    from scheduler import invariants  # noqa: PLC0415 - after django.setup

    return [str(violation) for violation in invariants.violations()]


def _version() -> str:
    """Name the code that is proved: every source file of notifications and of this proof."""
    import hashlib  # noqa: PLC0415 - only here

    digest = hashlib.sha256()
    for folder in ("notifications", "proofs"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _done(version: str) -> set[str]:
    if not _PROGRESS.exists():
        return set()
    found: dict[str, list[str]] = json.loads(_PROGRESS.read_text())
    return set(found.get(version, []))


def _remember(version: str, name: str) -> None:
    _PROGRESS.parent.mkdir(parents=True, exist_ok=True)
    _PROGRESS.write_text(json.dumps({version: sorted(_done(version) | {name})}))


def main() -> int:
    """Run the named points, whatever held before."""
    parser = argparse.ArgumentParser(prog="python -m proofs.crash_points")
    parser.add_argument("places", nargs="+")
    parser.add_argument("--away", type=float, default=_AWAY_SECONDS, help="seconds without Redis")
    options = parser.parse_args()
    return not run(options.places, away=options.away)


if __name__ == "__main__":
    sys.exit(main())
