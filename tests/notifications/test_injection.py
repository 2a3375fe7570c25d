"""No text of a stranger becomes more than text: not in a page, the admin, a mail, a push, a log line, an answer."""

import json
import logging
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from jobs.failures import FailureKind
from jobs.ids import new_id
from jobs.models import Batch, Job, Pool
from notifications import announcements, push_text, sealing
from notifications.channel import Parcel
from notifications.channels.email import _message
from notifications.models import Delivery, ParkedEvent, WebhookEndpoint
from notifications.relay import Relay
from scheduler import acts
from scheduler.models import Act, Operation
from tests.factories import Person, ann, end_attempt, queued, running, succeeded
from tests.payloads import PAYLOADS, chunks
from videogen.accounts import suspensions
from videogen.accounts.models import ApiKey, Suspension, User
from videogen.logs import LineFormatter

pytestmark = pytest.mark.django_db

HARMLESS = "plain words"
# As long as a prompt may be.
LONGEST = 4000


class Structure(HTMLParser):
    """Everything of a page that is not text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, ...]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))
        self.text += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment",))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("declaration",))

    def unknown_decl(self, data: str) -> None:
        self.found.append(("declaration",))

    def handle_pi(self, data: str) -> None:
        self.found.append(("instruction",))


def _write(texts: Iterable[str]) -> None:
    """Put texts into every field that a stranger fills: one job, key, address and device for each."""
    several = list(texts)
    for job, text in zip(Job.objects.order_by("id"), several, strict=False):
        Job.objects.filter(id=job.id).update(
            prompt=text, error_message=text if job.state == "failed" else ""
        )
    for key, text in zip(ApiKey.objects.order_by("id"), several, strict=False):
        ApiKey.objects.filter(id=key.id).update(name=text[:100])
    WebhookEndpoint.objects.update(
        name=several[0][:100], url=f"https://hooks.example/{several[0][:1000]}",
        disabled_reason=several[1][:300],
    )  # fmt: skip
    Delivery.objects.update(reason=several[0][:300])
    Suspension.objects.update(reason=several[0][:500], lift_reason=several[1][:500])
    Pool.objects.update(state_reason=several[0][:300], last_error=several[1][:400])
    ParkedEvent.objects.update(error=several[0][:500])
    Operation.objects.update(name=several[0][:60], reason=several[1][:300])
    with connection.cursor() as cursor:
        # What operators did is never changed; only a made-up past needs this.
        cursor.execute("set local session_replication_role = replica")
        Act.objects.update(reason=several[0][:300], outcome=several[1][:500])
        cursor.execute("set local session_replication_role = origin")


@pytest.fixture
def owner() -> Person:
    """Ann, with a row in everything that a page shows."""
    found = ann()
    count = len(chunks(LONGEST))
    for number in range(count):
        if number == 1:
            end_attempt(running(found), FailureKind.CONTENT_POLICY)
        else:
            succeeded(found)
    queued(found)
    batch = Batch.objects.create(owner_id=found.id, fingerprint=b"-", size=count)
    Job.objects.filter(state="succeeded").update(batch_id=batch.id)
    Delivery.objects.create(
        id=new_id(), event_id=1, owner_id=found.id, name="job.succeeded", subject_id=batch.id, channel="webhook",
        content=json.dumps({"type": "video.completed", "data": {}}), target=str(UUID(int=1)), message_id="m",
        state="abandoned", reason="Why.", due_at=None, ended_at=Now(),
    )  # fmt: skip
    ParkedEvent.objects.create(event_id=1, subscriber="notifications.subscribers.x", error="Why.")
    Operation.objects.create(
        name="x",
        doing="cancel",
        actor="op@example.com",
        reason="Why.",
        state="counted",
        counted=1,
        end=new_id(),
    )
    acts.record("op@example.com", "pool.pause", "preview", reason="Why.", outcome="It is paused.")
    WebhookEndpoint.objects.create(
        id=UUID(int=1), owner_id=found.id, url="https://hooks.example/", disabled_at="2026-01-01T00:00Z",
        event_types=["video.completed"], sealed_secret=sealing.seal("whsec_c2VjcmV0"), disabled_reason="Why.",
    )  # fmt: skip
    ApiKey.objects.bulk_create(
        ApiKey(user=found.user, name="x", prefix="vg_x", digest=bytes([number]) * 32)
        for number in range(40)
    )
    relay = Relay()
    relay.acquire_shards()
    relay.step()
    suspensions.suspend(found.user, reason="Why", by=None)
    suspensions.lift(User.objects.get(id=found.id), reason="Why not", by=None)
    return found


def _pages(owner: Person) -> list[str]:
    failed = Job.objects.get(state="failed").id
    done = Job.objects.filter(state="succeeded").order_by("id")[0].id
    batch, sent = Batch.objects.get().id, Delivery.objects.get(channel="webhook").id
    hook = f"/account/webhooks/{UUID(int=1)}"
    return [
        "/", "/history", "/notifications", "/usage", f"/jobs/{failed}/", f"/jobs/{done}/", f"/jobs/{done}/card",
        f"/jobs/{done}/row", f"/jobs/{done}/delete", f"/batches/{batch}", f"/?from={done}", "/notifications/sent",
        "/account", "/account/keys", "/account/devices", "/account/webhooks", hook, f"{hook}/deliveries/{sent}",
        "/jobs/retry-failed",
    ]  # fmt: skip


def _records(owner: Person) -> list[str]:
    key = ApiKey.objects.all()[0].id
    return [
        "/admin/", "/admin/jobs/job/", "/admin/accounts/apikey/",
        f"/admin/accounts/apikey/{key}/change/", "/admin/accounts/suspension/", "/admin/jobs/pool/",
        "/admin/notifications/webhookendpoint/", f"/admin/notifications/webhookendpoint/{UUID(int=1)}/change/",
        "/admin/notifications/delivery/", "/admin/jobs/pool/preview/change/", "/console/", "/console/capacity",
        "/console/pools/preview", "/console/tenants", "/console/dead", "/console/dead?kind=webhooks", "/console/audit",
        "/console/jobs", f"/console/operations/{Operation.objects.get().id}",
        f"/console/jobs?q={owner.user.email}", "/admin/scheduler/operation/", "/admin/scheduler/act/",
        "/admin/notifications/parkedevent/",
        # What still goes on is drawn anew as time goes by.
        *(f"/console/jobs/{job}" for job in Job.objects.ended().values_list("id", flat=True)),
        *(f"/admin/jobs/job/{job}/change/" for job in Job.objects.values_list("id", flat=True)),
    ]  # fmt: skip


@pytest.mark.parametrize("shown", [_pages, _records], ids=["pages", "admin"])
def test_no_page_gets_an_element_or_an_attribute_from_a_text(
    owner: Person, shown: Callable[[Person], list[str]]
) -> None:
    browser = Client(headers={"User-Agent": PAYLOADS[0]})
    if shown is _records:
        operator = User.objects.create_superuser("op@example.com", "a long password")
        browser.force_login(operator)
    else:
        browser.force_login(owner.user)
    paths = shown(owner)
    texts = chunks(LONGEST)
    # Of the same length: long texts are folded.
    _write([(f"{HARMLESS} " * len(text))[: len(text)] for text in texts])
    for path in paths:
        # What was seen once is shown as seen.
        _structure(browser, path)
    before = {path: _structure(browser, path) for path in paths}
    _write(texts)

    marks = set()
    for path in paths:
        page = _structure(browser, path)
        assert page.found == before[path].found, path
        text = "".join(page.text)
        marks |= {number for number in range(len(PAYLOADS)) if f"xq{number}z" in text}
    # It was shown, and all of it.
    assert len(marks) == len(PAYLOADS) >= 300


def _structure(browser: Client, path: str) -> Structure:
    answer = browser.get(path)
    assert answer.status_code == 200, path
    if answer.headers["Content-Type"] == "application/json":
        # A part of a page, for a page that is open.
        return Structure("".join(one for one in answer.json().values() if isinstance(one, str)))
    return Structure(answer.content.decode())


@pytest.mark.parametrize("path", ["/history?q=", "/console/jobs?q="])
def test_what_was_looked_for_is_said_again_as_a_text(owner: Person, path: str) -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("op@example.com", "a long password"))
    harmless = _structure(browser, path + HARMLESS.replace(" ", "+"))

    for text in chunks(900):
        page = _structure(browser, path + quote(text))
        assert page.found == harmless.found, text
        assert text[:20] in "".join(page.text)


@pytest.mark.parametrize("name", ["job.succeeded", "job.failed"])
def test_no_mail_gets_a_header_or_an_element_from_a_text(owner: Person, name: str) -> None:
    job = Job.objects.get(state="failed")
    announcement = announcements.of(name)
    assert announcement
    parcel = Parcel(
        id=new_id(), channel="email", target=owner.id.hex, attempt=1, try_count=1, owner_id=owner.id,
        name=name, subject_id=job.id, payload={}, message_id="<m@example.com>", content="",
    )  # fmt: skip

    def mail(text: str) -> Any:
        Job.objects.filter(id=job.id).update(prompt=text, error_message=text)
        found = announcement.context(job.id, {}) if announcement else None
        assert found
        # A push says the subject of the mail, on one line.
        assert len(push_text._line(name, found).splitlines()) == 1, text
        return _message(parcel, "ann@example.com", found, is_forced=False)

    harmless = mail(HARMLESS)
    elements = Structure(str(harmless.alternatives[0][0])).found
    # The text may stand or fall with the lines of the mail; nothing more may come.
    for payload in PAYLOADS:
        written = mail(payload)
        message = written.message()
        assert message.keys() == harmless.message().keys(), payload
        assert "\n" not in str(written.subject), payload
        assert str(written.subject).replace("\u200d", "").isprintable() or "\U000e0041" in payload
        assert Structure(str(written.alternatives[0][0])).found == elements, payload
        assert f"{payload.split('z')[0]}z" in str(written.body), payload


def test_no_text_makes_another_log_line_or_colours_a_terminal() -> None:
    formatter = LineFormatter()
    for payload in PAYLOADS:
        record = logging.makeLogRecord({"msg": payload, "levelname": "INFO", "field": payload})
        line = formatter.format(record)
        assert len(line.splitlines()) == 1, payload
        assert line.isprintable(), payload


def test_programs_get_every_text_as_it_was_sent(owner: Person) -> None:
    for text in chunks(LONGEST):
        asked = Client().post(
            "/api/v1/jobs", json.dumps({"prompt": text}), content_type="application/json",
            headers=owner.headers,
        )  # fmt: skip
        assert asked.status_code == 202, asked.content
        answer = Client().get(asked.headers["Location"], headers=owner.headers)
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.json()["prompt"] == text.strip()
        assert b"\n" not in answer.content.strip()
