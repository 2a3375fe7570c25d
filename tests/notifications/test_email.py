"""Mail: what people read, in both forms, whatever a prompt holds; and a way out that takes one click."""

import email
import email.policy
import json
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.test import Client

from jobs import transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Job
from notifications import preferences, unsubscribing
from notifications.models import Delivery, Preference
from notifications.plain_text import one_line
from scheduler import dispatch
from tests.factories import VIDEO, Person, ann, end_attempt, queued

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[[], None]

NASTY = [
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a whale\r\nBcc: everybody@example.com\r\n\r\nbody",
    "two\nlines\u2028three\u2029four\x0bfive\x00six".replace("\x00", ""),
    "\u202egnp.elahw\u202c and \u2066isolates\u2069",
    "👩‍👩‍👧‍👦 família 🐋 نص عربي עברית 日本語",
    "{{ card.id }} {% debug %} {# x #}",
    '=?utf-8?q?fake?= "quoted" <a@b.example>, c@d.example',
    "x" * 2000,
]


def ends(owner: Person, prompt: str, *, well: bool = True) -> Job:
    job_id = queued(owner, prompt)
    dispatch.grant_free_slots()
    transitions.start(JobId(job_id), attempt=1)
    if well:
        transitions.succeed(JobId(job_id), attempt=1, video=VIDEO)
    else:
        job = Job.objects.get(id=job_id)
        end_attempt(job, FailureKind.CONTENT_POLICY)
    return Job.objects.get(id=job_id)


def mails(folder: Path) -> list[EmailMessage]:
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in sorted(folder.glob("*.eml"))
    ]


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body(preferencelist=(kind,))
    assert found is not None
    return str(found.get_content())


@pytest.mark.parametrize("well", [True, False])
def test_an_end_is_told_with_a_link_to_its_job(
    mail: Path, relay_all: Run, carry_all: Run, settings: Any, well: bool
) -> None:
    owner = ann()
    job = ends(owner, "a whale", well=well)
    relay_all()
    carry_all()

    (message,) = mails(mail)
    link = f"{settings.PUBLIC_URL}/jobs/{job.id}/"
    assert message["To"] == owner.user.email
    assert message["Subject"] == ("Ready: a whale" if well else "Failed: a whale")
    for kind in ("plain", "html"):
        assert link in part(message, kind)
        assert "a whale" in part(message, kind)
    if not well:
        assert job.error_message in part(message, "plain")
        assert "Not charged." in part(message, "plain")


@pytest.mark.parametrize("prompt", NASTY)
def test_no_prompt_breaks_a_mail(mail: Path, relay_all: Run, carry_all: Run, prompt: str) -> None:
    owner = ann()
    ends(owner, prompt)
    relay_all()
    carry_all()

    (message,) = mails(mail)
    assert message.defects == []
    assert set(message.keys()) >= {"Subject", "To", "Message-ID", "List-Unsubscribe"}
    assert message["Bcc"] is None
    assert message["To"] == owner.user.email
    assert len(str(message["Subject"]).strip()) <= 120
    assert str(message["Subject"]).isprintable() or "\u200d" in str(message["Subject"])
    html = part(message, "html")
    assert "<script" not in html
    assert "onerror=alert" not in html.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    assert "\u202e" not in html


def test_a_subject_keeps_emoji_and_loses_marks_of_direction() -> None:
    assert one_line("👩‍👧\u202e a\r\nb") == "👩‍👧 a b"


def test_a_mail_sent_twice_has_the_same_id(mail: Path, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    ends(owner, "a whale")
    relay_all()
    carry_all()
    (first,) = mails(mail)
    Delivery.objects.update(state="scheduled", due_at="2020-01-01T00:00:00Z", ended_at=None)
    call_command("channels")
    from notifications.models import Route

    Route.objects.update(next_at="2020-01-01T00:00:00Z")
    carry_all()

    (second,) = mails(mail)
    assert Delivery.objects.get().attempt == 2
    assert first["Message-ID"] == second["Message-ID"] == Delivery.objects.get().message_id


def _way_out(message: EmailMessage) -> str:
    return urlsplit(str(message["List-Unsubscribe"]).strip().strip("<>")).path


def test_one_click_ends_mail_of_this_kind_only(mail: Path, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    ends(owner, "a whale")
    relay_all()
    carry_all()
    (message,) = mails(mail)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    # As a mail program does: no session, no token of a form.
    client = Client(enforce_csrf_checks=True)

    answer = client.post(_way_out(message), {"List-Unsubscribe": "One-Click"})
    ends(owner, "another")
    ends(owner, "a third", well=False)
    relay_all()
    carry_all()

    assert answer.status_code == 200
    assert sorted(str(one["Subject"]) for one in mails(mail)) == [
        "Failed: a third",
        "Ready: a whale",
    ]


def test_the_way_out_of_what_is_off_already_says_so(mail: Path) -> None:
    owner = ann()
    path = urlsplit(unsubscribing.address(owner.id, "job.failed", "email")).path
    preferences.choose(owner.id, "job.failed", "email", is_on=False)

    page = Client().get(path).content.decode()

    assert "You get no more mail of this kind" in page
    assert 'href="/notifications/preferences"' in page


def test_a_scanner_that_opens_the_way_out_changes_nothing(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    ends(ann(), "a whale")
    relay_all()
    carry_all()
    (message,) = mails(mail)

    answer = Client().get(_way_out(message))

    assert answer.status_code == 200
    assert b"<form" in answer.content
    assert not Preference.objects.exists()


@pytest.mark.parametrize("token", ["x", "WyJ4Il0:forged", "a:b:c"])
def test_a_forged_way_out_is_not_found(token: str) -> None:
    assert Client().post(f"/unsubscribe/{token}").status_code == 404
    assert not Preference.objects.exists()


def test_who_turned_it_off_meanwhile_gets_nothing(
    mail: Path, relay_all: Run, carry_all: Run
) -> None:
    owner = ann()
    ends(owner, "a whale")
    relay_all()
    preferences.choose(owner.id, "job.succeeded", "email", is_on=False)
    carry_all()

    assert mails(mail) == []
    assert (Delivery.objects.get().state, Delivery.objects.get().reason) == (
        "skipped",
        "You turned it off.",
    )


def test_a_closed_account_gets_no_mail(mail: Path, relay_all: Run, carry_all: Run) -> None:
    owner = ann()
    ends(owner, "a whale")
    relay_all()
    owner.user.is_active = False
    owner.user.save(update_fields=["is_active"])
    carry_all()

    assert mails(mail) == []


def test_a_channel_that_is_not_configured_says_so(
    settings: Any, relay_all: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ends(ann(), "a whale")
    relay_all()

    call_command("channels")

    assert "email: NOT CONFIGURED: EMAIL_URL is not set" in capsys.readouterr().out
    assert not Delivery.objects.filter(channel="email").exists()


def test_a_mail_server_that_is_away_is_tried_again(
    settings: Any, relay_all: Run, carry_all: Run
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    ends(ann(), "a whale")
    relay_all()
    carry_all()

    delivery = Delivery.objects.get()
    (attempt,) = delivery.attempts.all()
    assert delivery.state == "scheduled"
    assert attempt.reason == "The mail server could not be used: ConnectionRefusedError."


class _MailService(BaseHTTPRequestHandler):
    """Answers as Postmark does: the folder of the address is the status."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        said = {
            "ErrorCode": 406,
            "Message": "You tried to send to a recipient that has been marked as inactive.\n"
            "Found inactive addresses: ann@example.com.\n"
            "Inactive recipients are ones that have generated a hard bounce or a spam complaint.",
        }
        self.send_response(int(self.path.split("/")[1]))
        self.end_headers()
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mail_service(settings: Any) -> Iterator[str]:
    """Give the address of a mail service that is spoken to by way of anymail."""
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    with ThreadingHTTPServer(("127.0.0.1", 0), _MailService) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        (422, "abandoned", "The mail service takes nothing for this address."),
        (500, "scheduled", "The mail service answered 500."),
        (401, "scheduled", "The mail service answered 401."),
    ],
)
def test_what_a_mail_service_refuses_is_said(
    mail_service: str,
    settings: Any,
    relay_all: Run,
    carry_all: Run,
    status: int,
    state: str,
    reason: str,
) -> None:
    settings.ANYMAIL = {
        "POSTMARK_SERVER_TOKEN": "a-token",
        "POSTMARK_API_URL": f"{mail_service}/{status}/",
    }
    ends(ann(), "a whale")
    relay_all()
    carry_all()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts.get().reason) == (state, reason)


def test_a_mail_service_that_is_away_is_tried_again(
    settings: Any, relay_all: Run, carry_all: Run
) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {
        "POSTMARK_SERVER_TOKEN": "a-token",
        "POSTMARK_API_URL": "http://127.0.0.1:1/",
    }
    ends(ann(), "a whale")
    relay_all()
    carry_all()

    delivery = Delivery.objects.get()
    assert delivery.state == "scheduled"
    assert delivery.attempts.get().reason == "The mail service could not be used."
