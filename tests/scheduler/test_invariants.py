"""Each invariant holds on honest data, and catches the corruption that it is there for."""

from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from jobs import transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from notifications import deliveries, results, sealing
from notifications.channel import Receipt
from notifications.channels import registry
from notifications.models import WebhookEndpoint
from notifications.relay import Relay
from notifications.results import Outcome
from scheduler import dispatch, invariants, sweeps
from scheduler.publisher import Publisher
from tests.factories import VIDEO, ann, bob, expire_lease, queued, submit

pytestmark = pytest.mark.django_db(transaction=True)

# Name of the invariant, and statements that break it. Guards are off while they run.
CORRUPTIONS = {
    "legal_moves": "update job_transition set from_state = 'succeeded' where to_state = 'running'",
    "one_end": "drop index if exists transition_ends_once;"
    " insert into job_transition (job_id, version, from_state, to_state, attempt, cause)"
    " select id, 99, 'running', 'failed', attempt, 'x' from job where state = 'succeeded'",
    "unbroken_path": "delete from job_transition where to_state = 'dispatched'",
    "state_is_last_move": "update job set attempt = attempt + 1 where state = 'queued'",
    "one_reserve": "delete from ledger_entry where kind = 'reserve'",
    "settled_iff_ended": "delete from ledger_entry where kind in ('capture', 'release')",
    "charged_as_it_ended": "alter table ledger_entry drop constraint ledger_breaks_nothing;"
    " update ledger_entry set kind = 'capture' where kind = 'release'",
    "double_entry": "alter table ledger_entry drop constraint ledger_breaks_nothing;"
    " update ledger_entry set house_delta = house_delta + 1 where kind = 'capture'",
    "balance_is_the_sum": "update account set balance = balance + 1",
    "never_overdrawn": "alter table ledger_entry drop constraint ledger_breaks_nothing;"
    " update ledger_entry set balance_delta = -5, house_delta = 5 where kind = 'grant'",
    "live_count": "update account set live_count = live_count + 1",
    "lease_iff_holding": "delete from lease",
    "attempts_counted": "delete from attempt",
    "one_place_in_line": "delete from backlog",
    "lanes_say_what_waits": "update lane set work = work + 1",
    "video_of_the_winner": "update attempt set outcome = 'backend_error'"
    " where outcome = 'succeeded'",
    "event_of_every_move": "delete from outbox_event where name = 'job.succeeded'",
    "gap_free_feed": "update feed_head set sequence = sequence + 1",
    "tries_counted": "update job set failed_count = 7 where state = 'failed'",
    "one_attempt_per_slot": "update attempt set ended_at = ended_at + interval '1 hour'",
    "owner_within_limit": "update tier set running_limit = 0",
    "one_owner": "update ledger_entry set account_id = (select owner_id from account"
    " where owner_id <> account_id limit 1) where kind = 'capture'",
    "video_address": "update job set video_url = 'javascript:alert(1)' where video_url <> ''",
    "late_is_not_won": "insert into late_result (job_id, attempt, video_url, thumbnail_url)"
    " select id, attempt, video_url, '' from job where state = 'succeeded'",
    "repair_of_an_ended_attempt": "update attempt set ended_at = null, outcome = ''"
    " where exists (select 1 from recovery r"
    " where r.job_id = attempt.job_id and r.attempt = attempt.number)",
    "retry_of_an_ended_job": "update job set retry_of = (select id from job"
    " where state = 'succeeded') where state = 'running'",
    "notice_tells_the_end": "update notification set name = 'job.expired'",
    "one_notice": "insert into notification (event_id, owner_id, name, subject_id, payload)"
    " select event_id + 1000, owner_id, name, subject_id, payload from notification",
    "key_of_the_job": "update idempotency_key set key = 'another'",
    "within_the_bound": "update door set fullest = 1.01",
    "tickets_once": "insert into ticket (owner_id, line_id, why, fingerprint, valid_from, valid_until,"
    " job_id) select owner_id, 1, 'tier_full', '', created_at + interval '1 hour',"
    " created_at + interval '2 hours', id from job limit 1",
    "doors_count_what_waits": "update door set added = 0, published_at = '-infinity';"
    " update gate set added = 0",
    "waits_in_a_line_that_is_there": "delete from line",
    "tier_is_there": "delete from tier where name = (select tier_id from job limit 1)",
    "owner_is_there": "delete from account_user where id = (select owner_id from job limit 1)",
    "of_a_job_that_is_there": "delete from job where state = 'succeeded'",
    "delivered_once": "insert into delivery_attempt"
    " (delivery_id, number, outcome, reason, request, answer, started_at, took_ms)"
    " select delivery_id, 2, outcome, '', '{}', '', now(), 1 from delivery_attempt",
    "delivered_iff_taken": "delete from delivery_attempt",
    "delivery_of_its_owner": "update delivery set subject_id = id",
    "in_one_summary": "update delivery set state = 'merged', summary_id = gen_random_uuid(),"
    " due_at = null, claimed_until = null, ended_at = now()",
    "one_message_id": "update delivery set event_id = event_id + 1000 where state = 'delivered';"
    " insert into delivery select (json_populate_record(d, json_build_object("
    "'id', gen_random_uuid(), 'event_id', 1))).* from delivery d where state = 'delivered'",
    "endpoints_are_told": "delete from delivery where state = 'delivered';"
    " update outbox_event set recorded_at = recorded_at - interval '2 minutes';"
    " update webhook_endpoint set listens_since = listens_since - interval '1 hour'",
    "deliveries_are_tried": "update delivery set state = 'scheduled', ended_at = null,"
    " due_at = now() - interval '2 minutes'",
    "held_notices_go_on": "update delivery set state = 'held', ended_at = null,"
    " claimed_until = null, due_at = now() - interval '2 minutes'",
    "batches_end": "insert into batch (id, owner_id, fingerprint, size, created_at, closed_at)"
    " select gen_random_uuid(), owner_id, '', 1, now() - interval '1 hour',"
    " now() - interval '30 minutes' from job where state = 'succeeded';"
    " update job set batch_id = (select id from batch),"
    " finished_at = finished_at - interval '2 minutes' where state = 'succeeded'",
    "nothing_is_parked": "insert into parked_event (event_id, subscriber, error, try_count)"
    " values (1, 'x', 'y', 1)",
    "leases_are_swept": "update lease set expires_at = now() - interval '2 minutes'",
    "retries_return": "update job set due_at = now() - interval '2 minutes'"
    " where due_at is not null",
    "deadlines_are_kept": "update job set start_by = now() - interval '2 minutes'"
    " where state = 'queued' and attempt = 0",
    "events_are_told": "update outbox_event set sequence = null,"
    " recorded_at = recorded_at - interval '2 minutes'",
    "ends_are_noticed": "update job set finished_at = finished_at - interval '2 minutes';"
    " delete from notification",
}


def _a_day() -> None:
    """Make a bit of everything: ended, running, waiting and retrying jobs, relayed."""
    owner, other = ann(), bob()
    Publisher().publish()
    endpoint = WebhookEndpoint.objects.create(
        id=uuid4(),
        owner_id=owner.id,
        url="https://hooks.example/",
        event_types=["video.completed"],
        sealed_secret=sealing.seal("whsec_c2VjcmV0"),
    )
    ended = submit(owner, key="k").job_id
    failed = queued(other)
    dispatch.grant_free_slots()
    transitions.start(ended, attempt=1)
    transitions.succeed(ended, attempt=1, video=VIDEO)
    transitions.end_attempt(
        JobId(failed), attempt=1, failure=FailureKind.CONTENT_POLICY, message="No.", jitter=0
    )
    retried, running = queued(owner), queued(other)
    dispatch.grant_free_slots()
    expire_lease(retried)
    sweeps.rescue_silent_workers(lambda: 0.5)
    transitions.start(running, attempt=1)
    transitions.cancel(queued(owner), owner_id=owner.id)
    queued(owner)
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass
    channel = registry.channels()["webhook"]
    for parcel in deliveries.claim(channel, room=9):
        assert parcel.target == str(endpoint.id)
        taken = Outcome(
            kind="delivered", receipt=Receipt(status_code=204), started_at=timezone.now(), took_ms=1
        )
        results.record(channel, parcel, taken, jitter=0.5)
    deliveries.note_account_mail(owner.id, title="A code to prove an address", refusal="")
    deliveries.note_account_mail(other.id, title="Your password was set anew", refusal="No mail.")


def _check() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_invariants", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.fixture(autouse=True)
def _no_mail(settings: Any) -> None:
    settings.EMAIL_BACKEND = ""


def test_an_honest_day_breaks_nothing() -> None:
    _a_day()

    assert _check() == (0, f"All {len(invariants.INVARIANTS)} invariants hold.\n")


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_caught_by_its_name(name: str) -> None:
    _a_day()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(CORRUPTIONS[name])
        found = {violation.name for violation in invariants.violations()}
        transaction.set_rollback(True)

    assert name in found


def test_a_session_that_sits_in_a_transaction_is_caught() -> None:
    sleeper = connection.copy()
    try:
        sleeper.set_autocommit(False)
        with sleeper.cursor() as cursor:
            cursor.execute("select 1")
        found = {violation.name for violation in invariants.violations(grace=-1)}
    finally:
        sleeper.close()

    assert "nobody_holds_a_lock" in found


def test_every_invariant_has_its_corruption() -> None:
    assert [name for name, _, _ in invariants.INVARIANTS] == [*CORRUPTIONS, "nobody_holds_a_lock"]


def test_there_are_as_many_as_there_should_be() -> None:
    assert len(invariants.SAFETY) >= 20
    assert len(invariants.LIVENESS) >= 5
