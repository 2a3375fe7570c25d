"""A plan changes while jobs wait: they go on waiting in the new tier's line, and nothing is lost."""

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs import accounts, transitions
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Account, Backlog, Job, Lane, LaneState, Lease, Line, Pool
from scheduler import dispatch, invariants, sweeps
from tests.factories import VIDEO, ann, bob, end_attempt, queued, reach
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_waits_moves_to_the_new_tier_s_line_and_starts_level_there() -> None:
    owner = bob()
    jobs = [queued(owner) for _ in range(3)]
    reach(700, tier="pro")

    before = accounts.change_tier(owner.id, tier="pro")

    moved = Lane.objects.get(line__tier="pro")
    assert (before, moved.tag, moved.head_id) == ("free", 700, jobs[0])
    assert Lane.objects.get(line__tier="free").state == LaneState.EMPTY
    assert set(Backlog.objects.values_list("line__tier", flat=True)) == {"pro"}
    assert set(Job.objects.values_list("tier", flat=True)) == {"pro"}
    assert [bell.tier for bell in dispatch.grant_free_slots()] == ["pro", "pro"]
    assert invariants.violations(grace=3600) == []


def test_what_runs_goes_on_and_its_next_try_waits_in_the_new_line() -> None:
    owner = ann()
    Pool.objects.update(slots=2)
    lost, runs = queued(owner), queued(owner)
    dispatch.grant_free_slots()

    accounts.change_tier(owner.id, tier="enterprise")

    lines = Line.objects.filter(id__in=Lease.objects.values("line_id"))
    assert set(lines.values_list("tier", flat=True)) == {"pro"}
    end_attempt(Job.objects.get(id=lost), FailureKind.WORKER_LOST)
    Job.objects.filter(id=lost).update(due_at="2020-01-01T00:00:00Z")
    sweeps.return_due_retries()
    transitions.succeed(JobId(runs), attempt=1, video=VIDEO)
    assert Backlog.objects.get(job_id=lost).line.tier_id == "enterprise"
    assert Job.objects.get(id=lost).tier_id == "enterprise"
    assert invariants.violations(grace=3600) == []


def test_a_larger_plan_gives_room_at_the_next_pick() -> None:
    owner = bob()
    Pool.objects.update(slots=6)
    for _ in range(6):
        queued(owner)
    dispatch.grant_free_slots()

    accounts.change_tier(owner.id, tier="pro")

    assert len(dispatch.grant_free_slots()) == 4


def test_there_must_be_such_a_tier() -> None:
    owner = bob()

    with pytest.raises(ValueError, match="no tier 'gold'"):
        accounts.change_tier(owner.id, tier="gold")


def test_an_operator_moves_accounts_and_it_is_written_down() -> None:
    owner = bob()
    queued(owner)
    User.objects.create_superuser("root@example.com", "a long password")
    browser = Client()
    browser.login(username="root@example.com", password="a long password")
    form = {
        "action": "change_tier",
        "_selected_action": str(owner.id),
        "tier": "pro",
        "reason": "They asked.",
    }

    browser.post("/admin/jobs/account/", form)
    browser.post("/admin/jobs/account/", {**form, "tier": "standby"})

    assert Account.objects.get(owner_id=owner.id).tier_id == "pro"
    assert Job.objects.get().tier_id == "pro"
    assert LogEntry.objects.get().change_message == "Moved from free to pro: They asked."
