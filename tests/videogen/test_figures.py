"""What is exported of the database is what is in it."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from jobs.failures import FailureKind
from jobs.models import Account, Lane, Pool
from notifications.models import Notification
from notifications.relay import Relay
from scheduler import ticks
from tests.factories import (
    ann,
    bob,
    change_preview_pool,
    end_attempt,
    expire_lease,
    person,
    published,
    queued,
    running,
    silent,
    succeeded,
)
from videogen.figures import drift, kept, moves, pools, queue, reader, telling, upkeep
from videogen.figures.figure import Figure, Spread

pytestmark = pytest.mark.django_db(transaction=True)

Samples = dict[tuple[str, ...], float]


def _samples(read: Callable[[], Sequence[Figure | Spread]]) -> dict[str, Samples]:
    """Give what would be scraped: by name, then by the labels' values in the order of their names."""
    found: dict[str, Samples] = {}
    for figure in read():
        for sample in figure.family().samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def test_what_waits_is_told_by_tier_with_its_oldest_and_its_promise() -> None:
    change_preview_pool(state="paused")
    queued(ann())
    queued(bob())
    with connection.cursor() as cursor:
        cursor.execute("update lane set head_since = now() - interval '90 seconds'")
    published()

    found = _samples(queue.read)

    assert found["videogen_waiting_jobs"]["pro",] == 1
    assert found["videogen_waiting_jobs"]["free",] == 1
    assert found["videogen_waiting_gpu_seconds"]["pro",] > 0
    assert 90 <= found["videogen_oldest_waiting_seconds"]["pro",] < 150
    assert found["videogen_oldest_waiting_seconds"]["enterprise",] == 0
    assert set(found["videogen_promised_wait_seconds"]) == {("pro",), ("enterprise",)}
    assert found["videogen_estimates_age_seconds"][()] < 60


def test_a_newcomer_is_told_a_range_only_where_something_drains() -> None:
    ann()
    published()

    assert {("high", "pro"), ("low", "pro")} <= set(
        _samples(queue.read)["videogen_predicted_wait_seconds"]
    )


def test_attempts_that_do_not_get_on_are_told_by_their_cause() -> None:
    expire_lease(silent(ann()).id)

    found = _samples(queue.read)["videogen_stuck_attempts"]

    assert found.pop(("worker_silent",)) == 1
    assert set(found.values()) == {0}


def test_slots_and_states_are_told_by_pool() -> None:
    running(ann())
    Pool.objects.update(slots=5, usual_slots=8, breaker_until="2999-01-01T00:00:00Z")

    found = _samples(pools.read)

    assert found["videogen_slots"] == {
        ("held", "preview"): 1,
        ("total", "preview"): 5,
        ("usual", "preview"): 8,
    }
    assert found["videogen_pool_state"]["preview", "active"] == 1
    assert found["videogen_pool_state"]["preview", "paused"] == 0
    assert found["videogen_pool_breaker_open"]["preview",] == 1


def test_events_that_nobody_relayed_are_as_old_as_the_oldest() -> None:
    queued(ann())
    with connection.cursor() as cursor:
        cursor.execute("update outbox_event set recorded_at = now() - interval '40 seconds'")

    before = _samples(telling.read)
    relay = Relay()
    relay.acquire_shards()
    while relay.step():
        pass
    after = _samples(telling.read)

    assert 40 <= before["videogen_outbox_lag_seconds"][()] < 100
    assert before["videogen_outbox_pending"][()] == 1
    assert after["videogen_outbox_lag_seconds"][()] == 0
    assert after["videogen_parked_events"][()] == 0


def test_a_delivery_that_nobody_carries_is_late_on_its_channel_only() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into delivery_route (channel, target, next_at, failure_count) values"
            " ('email', 'a', now() - interval '70 seconds', 0), ('webhook', 'b', now() + interval '1 day', 3)"
        )

    found = _samples(telling.read)

    assert 70 <= found["videogen_delivery_lag_seconds"]["email",] < 130
    assert found["videogen_delivery_lag_seconds"]["webhook",] == 0
    assert found["videogen_routes_due"]["email",] == 1


def test_each_tick_is_as_old_as_its_last_claim_and_has_its_period() -> None:
    ticks.claim("shed", period=5.0)
    ticks.claim("a task of an older release", period=1.0)
    with connection.cursor() as cursor:
        cursor.execute("update tick set claimed_at = now() - interval '100 seconds'")

    found = _samples(upkeep.read)

    assert 100 <= found["videogen_tick_age_seconds"]["shed",] < 160
    assert found["videogen_tick_period_seconds"] == {("shed",): 5.0}


def test_every_tick_that_the_clock_claims_has_its_period() -> None:
    names = {
        "shed",
        "take_reading",
        "work_operations",
        "make_exports",
        "withdraw_jobs_of_suspended",
    }

    assert names <= set(upkeep._periods())


def test_a_lease_that_nobody_sweeps_is_a_broken_invariant() -> None:
    before = _samples(upkeep.read)["videogen_invariant_broken"]
    expire_lease(running(ann()).id)
    with connection.cursor() as cursor:
        cursor.execute(
            "update lease set granted_at = now() - interval '1 hour', expires_at = now() - interval '50 minutes'"
        )

    found = _samples(upkeep.read)["videogen_invariant_broken"]

    assert set(before.values()) == {0}
    assert found.pop(("leases_are_swept",)) == 1
    assert set(found.values()) == {0}


def test_an_account_that_is_not_the_sum_of_its_entries_is_found_until_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Fewer in one pass than there are, and nothing in the ledger says which.
    monkeypatch.setattr(drift, "_ACCOUNTS", 1)
    monkeypatch.setattr(drift, "_ENTRIES", 0)
    owners = [person(name, tier="pro").id for name in ("dee", "eve", "fay")]
    watch = drift.Drift()
    name = "videogen_ledger_drift_accounts"
    assert [_samples(watch.read)[name][()] for _ in range(4)] == [0, 0, 0, 0]

    Account.objects.filter(owner_id=max(owners)).update(balance=12_345)
    wrong = [_samples(watch.read)[name][()] for _ in range(5)]
    with connection.cursor() as cursor:
        cursor.execute(
            "update account set balance = (select coalesce(sum(balance_delta), 0) from ledger_entry"
            " where account_id = owner_id)"
        )
    right = [_samples(watch.read)[name][()] for _ in range(3)]

    assert wrong[-1] == 1
    assert right == [0, 0, 0]


def test_history_is_counted_once_with_its_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "_SETTLED", 0.0)
    owner = ann()
    succeeded(owner)
    counted = moves.Moves()
    begun = _samples(counted.read)
    # What was before the start is not counted.
    assert begun["videogen_attempts_total"]["succeeded", "preview"] == 0

    succeeded(owner)
    end_attempt(running(owner), FailureKind.BACKEND_ERROR)
    _samples(counted.read)
    found = _samples(counted.read)

    assert found["videogen_attempts_total"]["succeeded", "preview"] == 1
    assert found["videogen_attempts_total"]["backend_error", "preview"] == 1
    assert found["videogen_attempts_total"]["overdue", "preview"] == 0
    assert found["videogen_completions_total"]["worker", "preview"] == 2
    assert found["videogen_jobs_ended_total"] == {("succeeded", "pro"): 1}
    assert found["videogen_queued_to_granted_seconds_count"]["pro",] == 2
    assert found["videogen_granted_to_started_seconds_count"]["preview",] == 2
    assert found["videogen_run_seconds_count"]["preview", "preview"] == 1
    assert found["videogen_run_seconds_bucket"]["+Inf", "preview", "preview"] == 1


def test_what_is_kept_longer_than_it_should_be_is_told_by_kind() -> None:
    owner = ann()
    Notification.objects.create(
        event_id=1, owner_id=owner.id, name="job.succeeded", subject_id=owner.id, payload={},
        created_at=timezone.now() - timedelta(days=91),
    )  # fmt: skip
    Session.objects.create(session_key="over", expire_date=timezone.now() - timedelta(hours=2))

    found = _samples(kept.read)["videogen_kept_too_long_seconds"]

    assert found["notifications",] == pytest.approx(86_400, abs=60)
    assert found["sessions",] == pytest.approx(7200, abs=60)
    assert found["idempotency_keys",] == found["tickets",] == found["exports",] == 0
    assert len(found) == 7


def test_a_time_is_in_every_bucket_above_it() -> None:
    spread = Spread(
        name="t", about="", labels=(), rows=[((), [0, 0, 0, 2, *[0] * 9, 0, 1], 5003.0)]
    )

    samples = {s.labels.get("le", s.name): s.value for s in spread.family().samples}

    assert (samples["1.0"], samples["2.0"], samples["3600.0"], samples["+Inf"]) == (0, 2, 2, 3)


def test_a_source_that_fails_keeps_no_other_from_being_read_and_goes_stale(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = reader.Reader()
    both.read_due()
    whole = {metric.name for metric in both.collect()}

    def breaks() -> Any:
        raise ValueError("a bad row")

    for source in both.sources:
        source.due_at = 0.0
    both.sources[0].read = breaks
    both.sources[0].read_at -= 60
    both.read_due()
    rest = {metric.name for metric in both.collect()}

    assert "videogen_waiting_jobs" in whole - rest
    assert {"videogen_slots", "videogen_outbox_lag_seconds"} <= rest
    assert Lane.objects.count() == 0
