"""What people trust us with is in the database and not in logs, metrics, Redis, messages or error reports."""

import inspect
import json
import logging
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client
from prometheus_client import generate_latest

from jobs import transitions
from jobs.backends.backend import Video
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job
from notifications.relay import Relay
from scheduler import dispatch
from scheduler.publisher import Publisher
from tests.factories import Person, ann, end_attempt, person, running
from videogen import error_reports
from videogen.accounts import keys
from videogen.celery import app
from videogen.logs import LineFormatter

pytestmark = pytest.mark.django_db(transaction=True)

# Found in any text, whatever stands around it.
CANARY: Final = "canary7f3a"
_ENDPOINT: Final = {
    "url": f"http://127.0.0.1:9/?token={CANARY}", "event_types": ["video.completed"], "name": CANARY,
}  # fmt: skip
_PROMPT: Final = f"{CANARY} swims by night"


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Give every log line of every logger, as it would be written."""
    written: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not record.name.startswith(("django.db", "asyncio")):
                written.append(self.format(record))

    keeper = Keeper(level=logging.DEBUG)
    keeper.setFormatter(LineFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(keeper)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(keeper)
    root.setLevel(before)


def _used(owner: Person) -> list[Any]:
    """Send the canary in everything that an API takes, well and badly, and let a job fail with it."""
    browser = Client(raise_request_exception=False)
    job, done = running(owner), running(owner)

    def send(path: str, body: Any, **headers: str) -> Any:
        text = body if isinstance(body, str) else json.dumps(body)
        return browser.post(
            path, text, content_type="application/json", headers={**owner.headers, **headers}
        )

    answers = [
        send("/api/v1/jobs", {"prompt": _PROMPT}, **{"Idempotency-Key": f"{CANARY}-key"}),
        send("/api/v1/jobs", {"prompt": _PROMPT, CANARY: CANARY}),
        send("/api/v1/jobs", {"prompt": _PROMPT, "seconds": CANARY}),
        send("/api/v1/jobs", f'{{"prompt": "{CANARY}'),
        send("/v1/videos", {"prompt": _PROMPT}),
        send("/api/v1/keys", {"name": CANARY}),
        send(
            "/api/v1/webhook_endpoints",
            {"url": f"https://127.0.0.1/?token={CANARY}", "event_types": ["video.completed"]},
        ),
        browser.post("/sign-in", {"username": f"{CANARY}@example.com", "password": CANARY}),
        browser.get(f"/api/v1/jobs?text={CANARY}", headers=owner.headers),
        browser.get("/api/v1/jobs", headers={"Authorization": f"Bearer vg_{CANARY}"}),
        browser.get(f"/content/{CANARY}"),
        browser.post(f"/hooks/preview/{CANARY}", CANARY, content_type="text/plain"),
        send("/api/v1/devices", {"platform": "ios", "token": f"{CANARY}:token", "name": CANARY}),
        send(
            "/api/v1/push/subscriptions",
            {
                "endpoint": f"https://push.example/{CANARY}",
                "keys": {"p256dh": CANARY, "auth": CANARY},
            },
        ),
        send("/api/v1/webhook_endpoints", _ENDPOINT),
        browser.post("/password/forgotten", {"email": f"{CANARY}@example.com"}),
        browser.post(
            "/sign-up",
            {"email": f"{CANARY}-2@example.com", "password1": f"{CANARY} is long enough"},
        ),
        browser.get(f"/unsubscribe/{CANARY}"),
    ]
    Publisher().publish()
    dispatch.grant_free_slots()
    Job.objects.filter(id=job.id).update(prompt=_PROMPT)
    end_attempt(job, FailureKind.CONTENT_POLICY)
    signed = Video(url=f"https://cdn.example/1.mp4?signature={CANARY}", thumbnail_url="")
    transitions.succeed(JobId(done.id), attempt=done.attempt, video=signed)
    relay = Relay()
    relay.acquire_shards()
    relay.step()
    return answers


def test_nothing_of_it_is_in_logs_metrics_or_redis(lines: list[str], settings: Any) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    ann()
    owner = person(CANARY, tier="pro")

    answers = _used(owner)

    statuses = {answer.status_code for answer in answers}
    assert statuses >= {202, 400, 401}
    assert not any(status >= 500 for status in statuses)
    secret = next(a.json()["key"] for a in answers if a.status_code == 201 and "key" in a.json())
    signing = next(a.json()["signing_secret"] for a in answers if b'signing_secret"' in a.content)
    assert lines
    for found in (*lines, generate_latest().decode(), *_redis()):
        for told in (CANARY, secret, signing, owner.api_key):
            assert told not in found


@pytest.mark.parametrize(
    "path", ["/content/{}", "/unsubscribe/{}", "/jobs/{}/", "/{}?token={}", "/v1/{}"]
)
def test_no_error_page_repeats_what_was_asked(path: str) -> None:
    browser = Client(raise_request_exception=False)

    answer = browser.get(path.format(CANARY, CANARY), headers={"Authorization": f"Bearer {CANARY}"})

    assert 400 <= answer.status_code < 500
    assert CANARY.encode() not in answer.content
    assert CANARY not in str(answer.headers)


def _redis() -> Iterator[str]:
    """Give the names and values of everything in Redis."""
    for number in range(3):
        client = redis.Redis.from_url(f"{django_settings.REDIS_URL}/{number}")
        for name in client.scan_iter():
            yield name.decode(errors="replace")
            yield repr(client.dump(name))
        client.close()


def test_messages_of_tasks_carry_ids_and_numbers_only() -> None:
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]

    arguments = {
        name: parameter.annotation
        for task in ours
        for name, parameter in inspect.signature(task.run).parameters.items()
    }

    assert set(arguments) <= {"job_id", "attempt", "pool", "pools", "owner_id"}


def test_an_error_report_of_a_fault_has_nothing_of_what_was_asked() -> None:
    keys.forget()
    event = {
        "request": {
            "url": f"https://videogen.example/content/{CANARY}",
            "query_string": f"token={CANARY}",
            "method": "POST",
            "data": {"prompt": _PROMPT},
            "headers": {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY},
            "cookies": {"session": CANARY},
            "env": {"REMOTE_ADDR": "192.0.2.1"},
        },
        "user": {"email": f"{CANARY}@example.com", "ip_address": "192.0.2.1"},
        "extra": {"body": CANARY},
        "breadcrumbs": {"values": [{"message": f"GET /?token={CANARY}", "data": {"q": CANARY}}]},
        "exception": {
            "values": [
                {
                    "type": "RuntimeError",
                    "value": "broken",
                    "stacktrace": {"frames": [{"function": "f"}]},
                }
            ]
        },
    }

    sent = error_reports._scrubbed(event, {})

    assert CANARY not in json.dumps(sent)
    assert "RuntimeError" in json.dumps(sent)
