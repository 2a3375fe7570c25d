"""Webhooks of backends: forged ones change nothing, repeated ones count, early ones wait, all are only hints."""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from jobs import inbox, orders, pools
from jobs.backends.backend import Finished, Hint, Site, Submitted, Unanswered
from jobs.backends.replicate import ReplicateBackend
from jobs.models import Job, Lease, LedgerEntry, WebhookMessage
from notifications.models import OutboxEvent
from tests.factories import VIDEO, ann
from tests.jobs.servers import ScriptedServer, attempt_of, handed_over, poll, server
from videogen.fake_gpu.signing import StandardWebhooks

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def _send(body: str, *, path: str = "/hooks/preview", signature: str = "good") -> Any:
    return Client().post(
        path, body, content_type="application/json", headers={"X-Signature": signature}
    )


def _put_off() -> None:
    Lease.objects.update(poll_at="2100-01-01T00:00:00Z")


def _is_due() -> bool:
    return Lease.objects.filter(poll_at__lt="2099-01-01T00:00:00Z").exists()


def test_a_message_brings_the_next_question_forward_and_the_end_is_learned_by_it(
    server: ScriptedServer,
) -> None:
    job = handed_over(ann())
    _put_off()
    server.sighting = Finished(video=VIDEO)

    answer = _send(f"m1 {attempt_of(job).backend_job_id}")
    poll(due=False)

    assert answer.status_code == 204
    assert Job.objects.get().state == "succeeded"
    assert attempt_of(job).learned_by == "webhook"


def test_a_message_is_never_believed(server: ScriptedServer) -> None:
    job = handed_over(ann())

    _send(f"m1 {attempt_of(job).backend_job_id}")
    poll(due=False)

    assert Job.objects.get().state == "running"


@pytest.mark.parametrize(
    ("path", "signature"),
    [
        ("/hooks/preview", "bad"),
        ("/hooks/preview", ""),
        ("/hooks/nowhere", "good"),
        ("/hooks/preview/not-a-token", "good"),
        ("/hooks/nowhere/not-a-token", ""),
    ],
)
def test_what_is_not_from_the_server_is_refused_and_nothing_is_written(
    server: ScriptedServer, path: str, signature: str
) -> None:
    job = handed_over(ann())
    _put_off()
    verify, verified = server.hint, []

    def hint(site: Site, *words: Any, **more: Any) -> Hint:
        verified.append(len(site.webhook_secret) > 0)
        return verify(site, *words, **more)

    server.hint = hint  # type: ignore[method-assign]

    answer = _send(f"m1 {attempt_of(job).backend_job_id}", path=path, signature=signature)

    assert answer.status_code == 401
    # Whatever is wrong, a signature is verified: at no address with a secret of nobody's.
    assert verified == [path != "/hooks/preview"]
    assert not WebhookMessage.objects.exists()
    assert not _is_due()


def test_a_message_that_comes_five_times_at_once_counts_once(server: ScriptedServer) -> None:
    job = handed_over(ann())
    server.sighting = Finished(video=VIDEO)
    backend_job_id = attempt_of(job).backend_job_id
    barrier = threading.Barrier(5)

    def send(_: int) -> int:
        barrier.wait()
        try:
            return int(_send(f"m1 {backend_job_id}").status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as threads:
        statuses = list(threads.map(send, range(5)))
    poll(due=False)
    late = _send(f"m1 {backend_job_id}")
    poll()

    assert statuses == [204] * 5
    assert late.status_code == 204
    assert WebhookMessage.objects.get().count == 6
    assert LedgerEntry.objects.filter(kind="capture").count() == 1
    assert OutboxEvent.objects.filter(name="job.succeeded").count() == 1


SECRET = "whsec_" + base64.b64encode(b"a key for the tests, 32 bytes---").decode()


def test_deliveries_ten_minutes_late_change_nothing_more_and_replays_nothing_at_all(
    server: ScriptedServer,
) -> None:
    owner, sent_at = ann(), 1_800_000_000
    pools.change("preview", actor="me", reason="", url="http://gpu.test", webhook_secret=SECRET)
    # The real way of verifying, in front of a server that is not there.
    server.hint = ReplicateBackend().hint  # type: ignore[method-assign]
    job = handed_over(owner)
    server.sighting = Finished(video=VIDEO)
    body = json.dumps({"id": attempt_of(job).backend_job_id, "status": "succeeded"}).encode()

    def deliver(signed_at: int, *, now: int, forged: bool = False) -> bool:
        sign = StandardWebhooks(SECRET)
        signed = sign(body, message_id="m1", timestamp=signed_at, forged=forged)
        headers = {name.lower(): value for name, value in signed.items()}
        try:
            return inbox.receive("preview", "", headers=headers, body=body, now=now)
        finally:
            connection.close()

    first = deliver(sent_at, now=sent_at)
    poll(due=False)
    later = sent_at + 600
    with ThreadPoolExecutor(5) as threads:
        late = list(threads.map(lambda _: deliver(later, now=later), range(5)))
    replayed = deliver(sent_at, now=later)
    forged = deliver(later, now=later, forged=True)

    assert (first, late, replayed, forged) == (True, [True] * 5, False, False)
    assert WebhookMessage.objects.get().count == 6
    assert not Lease.objects.exists()
    assert LedgerEntry.objects.filter(kind="capture").count() == 1
    assert OutboxEvent.objects.filter(name="job.succeeded").count() == 1


def test_a_message_that_comes_before_the_creates_answer_waits_for_it(
    server: ScriptedServer,
) -> None:
    owner = ann()
    parked = _send("m1 early")
    server.created = Submitted(backend_job_id="early")
    handed_over(owner)

    message = WebhookMessage.objects.get()
    assert parked.status_code == 204
    assert message.matched_at is not None
    assert Lease.objects.get().is_hinted


def test_the_attempts_own_address_tells_the_id_that_a_lost_answer_did_not(
    server: ScriptedServer,
) -> None:
    server.created = Unanswered("The connection was dropped.")
    server.can_find = False
    job = handed_over(ann())
    token = orders.token(job.id, 1)

    answer = _send("m1 told-by-webhook", path=f"/hooks/preview/{token}")
    server.sighting = Finished(video=VIDEO)
    poll(due=False)

    assert answer.status_code == 204
    assert Job.objects.get().state == "succeeded"
    assert attempt_of(job).backend_job_id == "told-by-webhook"


def test_a_message_about_nothing_known_is_parked(server: ScriptedServer) -> None:
    handed_over(ann())

    _send("m1 of-somebody-else")

    assert WebhookMessage.objects.get().matched_at is None


def test_a_message_after_the_end_changes_nothing(server: ScriptedServer) -> None:
    job = handed_over(ann())
    server.sighting = Finished(video=VIDEO)
    poll()
    version = Job.objects.get().version

    answer = _send(f"m2 {attempt_of(job).backend_job_id}")
    poll(due=False)

    assert answer.status_code == 204
    assert Job.objects.get().version == version


def test_a_message_that_is_too_large_is_not_read(server: ScriptedServer) -> None:
    assert _send("m1 " + "x" * 600_000).status_code == 413
    assert not WebhookMessage.objects.exists()


def test_a_flood_is_turned_away(server: ScriptedServer, settings: Any) -> None:
    ann()
    settings.FLOOD_WEBHOOKS_PER_MINUTE = 2

    statuses = [_send(f"m{number} x").status_code for number in range(3)]

    assert statuses == [204, 204, 429]
