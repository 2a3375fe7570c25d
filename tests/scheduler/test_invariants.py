"""Each invariant holds on honest data, and catches the corruption that it is there for."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from jobs import transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from notifications.relay import Relay
from scheduler import dispatch, invariants
from tests.factories import VIDEO, ann, bob, queued

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
    "captured_iff_succeeded": "update ledger_entry set kind = 'capture' where kind = 'release'",
    "balance_is_the_sum": "update account set balance = balance + 1",
    "never_overdrawn": "update ledger_entry set balance_delta = -5 where kind = 'grant'",
    "live_count": "update account set live_count = live_count + 1",
    "lease_iff_holding": "delete from lease",
    "attempts_counted": "delete from attempt",
    "one_place_in_line": "delete from backlog",
    "video_of_the_winner": "update attempt set outcome = 'backend_error'"
    " where outcome = 'succeeded'",
    "event_of_every_move": "delete from outbox_event where name = 'job.succeeded'",
    "gap_free_feed": "update feed_head set sequence = sequence + 1",
    "one_notice": "insert into notification (event_id, owner_id, name, subject_id, payload)"
    " select event_id + 1000, owner_id, name, subject_id, payload from notification",
    "key_of_the_job": "update idempotency_key set key = 'another'",
}


def _a_day() -> None:
    """Make a bit of everything: ended, running, waiting and retrying jobs, relayed."""
    from jobs import submission
    from tests.factories import a_request

    owner, other = ann(), bob()
    ended = submission.submit(a_request(), owner_id=owner.id, key="k").job_id
    failed = queued(other)
    dispatch.grant_free_slots()
    transitions.start(ended, attempt=1)
    transitions.succeed(ended, attempt=1, video=VIDEO)
    transitions.end_attempt(
        JobId(failed), attempt=1, failure=FailureKind.CONTENT_POLICY, message="No.", jitter=0
    )
    retried, running = queued(owner), queued(other)
    dispatch.grant_free_slots()
    transitions.end_attempt(
        retried, attempt=1, failure=FailureKind.WORKER_LOST, message="Lost.", jitter=0.5
    )
    transitions.start(running, attempt=1)
    transitions.cancel(queued(owner), owner_id=owner.id)
    queued(owner)
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass


def _check() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_invariants", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_an_honest_day_breaks_nothing() -> None:
    _a_day()

    assert _check() == (0, f"All {len(invariants.INVARIANTS)} invariants hold.\n")


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_caught_by_its_name(name: str) -> None:
    _a_day()
    with connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("set local session_replication_role = replica")
        cursor.execute(CORRUPTIONS[name])
        found = {violation.name for violation in invariants.violations(_moves())}
        cursor.execute("rollback")

    assert name in found


def test_every_invariant_has_its_corruption() -> None:
    assert [name for name, _, _ in invariants.INVARIANTS] == list(CORRUPTIONS)


def _moves() -> list[str]:
    from jobs.states import MOVES

    return [">queued", *(f"{start}>{end}" for start, ends in MOVES.items() for end in ends)]
