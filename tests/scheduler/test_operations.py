"""Actions on many jobs: counted, confirmed by name, done in batches, stopped and gone on with."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.errors import InvalidField
from jobs.models import Account, Attempt, Backlog, Job, Lease
from scheduler import operations
from scheduler.models import Act, Operation, OperationState
from tests.factories import ann, bob, dispatched, person, queued, running, silent
from tests.scheduler.staff import operator

pytestmark = pytest.mark.django_db


def prepared(doing: str, tier_to: str = "", **filters: object) -> Operation:
    return operations.prepare(
        name="flood",
        doing=doing,
        filters=filters,
        tier=tier_to,
        actor="ops@example.com",
        reason="A flood.",
    )


def worked(operation: Operation) -> Operation:
    operations.work(lambda: 0.5)
    return Operation.objects.get(id=operation.id)


def confirmed(operation: Operation) -> Operation:
    operations.confirm(operation.id, typed="flood", actor="ops@example.com")
    return worked(operation)


def test_a_flood_is_counted_then_cancelled_and_nothing_else() -> None:
    pro, free = ann(), bob()
    kept = queued(pro)
    for _ in range(3):
        queued(free)

    counted = worked(prepared("cancel", tier="free"))
    still = Job.objects.filter(state="queued").count()
    later = queued(free)
    done = confirmed(counted)

    assert (counted.state, counted.counted, still) == (OperationState.COUNTED, 3, 4)
    assert (done.state, done.done, done.skipped) == (OperationState.DONE, 3, 0)
    # What came after the count is none of its business.
    assert set(Job.objects.filter(state="queued").values_list("id", flat=True)) == {kept, later}
    assert [act.outcome for act in Act.objects.order_by("id")] == [
        "“flood” began, about 3.",
        "“flood” ended: 3 done, 0 had moved on.",
    ]


def test_a_filter_takes_what_it_says() -> None:
    pro, free = ann(), bob()
    queued(pro)
    old = queued(free)
    Backlog.objects.filter(job_id=old).update(since=timezone.now() - timedelta(minutes=31))

    for filters, count in (
        ({}, 2),
        ({"owner": str(pro.id)}, 1),
        ({"model": "another"}, 0),
        ({"model": "preview", "tier": "pro"}, 1),
        ({"older_than": 30}, 1),
        ({"older_than": 32}, 0),
    ):
        assert worked(prepared("cancel", **filters)).counted == count, filters


def test_it_needs_its_name_typed_and_runs_once() -> None:
    queued(ann())
    counted = worked(prepared("cancel"))

    with pytest.raises(InvalidField, match="Type its name to confirm: flood"):
        operations.confirm(counted.id, typed="Flood", actor="ops@example.com")
    untouched = Job.objects.get().state
    confirmed(counted)
    with pytest.raises(InvalidField, match="done already"):
        operations.confirm(counted.id, typed="flood", actor="ops@example.com")

    assert untouched == "queued"


def test_it_stops_between_batches_and_what_was_done_stays_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner = ann()
    for _ in range(5):
        queued(owner)
    counted = worked(prepared("cancel"))
    operations.confirm(counted.id, typed="flood", actor="ops@example.com")
    monkeypatch.setattr(operations, "_DONE_AT_ONCE", 2)
    monkeypatch.setattr(operations, "_PASS", 0.0)
    running_now = operations._take()
    assert running_now is not None

    operations._page(running_now, lambda: 0.5)
    stopped = operations.abort(counted.id, actor="ops@example.com", reason="Enough.")
    monkeypatch.setattr(operations, "_PASS", 5.0)
    after = worked(stopped)

    assert (stopped.done, after.state, after.done) == (2, OperationState.ABORTED, 2)
    # A worker that had the next batch in its hands moves nothing any more.
    assert operations._page(running_now, lambda: 0.5) is None
    assert Operation.objects.get().done == 2
    assert Act.objects.order_by("-id")[0].outcome == "“flood” stopped after 2 of 5."


def test_another_worker_goes_on_where_one_died(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ann()
    for _ in range(3):
        queued(owner)
    counted = worked(prepared("cancel"))
    operations.confirm(counted.id, typed="flood", actor="ops@example.com")
    with monkeypatch.context() as patch:
        patch.setattr(operations, "_DONE_AT_ONCE", 1)
        dying = operations._take()
        assert dying is not None
        operations._page(dying, lambda: 0.5)
        assert operations.work(lambda: 0.5) == 0
    Operation.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))

    done = worked(counted)

    assert (done.state, done.done) == (OperationState.DONE, 3)
    assert not Job.objects.filter(state="queued").exists()


def test_what_runs_on_a_pool_goes_back_in_line() -> None:
    owner = ann()
    running(owner)
    dispatched(owner)

    done = confirmed(worked(prepared("put_back", pool="preview")))

    assert (done.counted, done.done) == (2, 2)
    assert not Lease.objects.exists()
    assert {job.failed_count for job in Job.objects.all()} == {0}
    assert set(Attempt.objects.values_list("outcome", flat=True)) == {"worker_stopped"}


def test_only_what_is_held_up_by_the_cause_is_asked_after_and_the_count_says_what_was_heard() -> (
    None
):
    owner = ann()
    silent(owner)
    running(owner)

    counted = worked(prepared("ask", pool="preview", cause="worker_silent"))

    assert counted.counted == 1
    # The preview renderer runs in its worker: nobody else knows of it.
    assert counted.truths == {"gone": 1}
    assert Lease.objects.count() == 2


def test_accounts_move_with_what_they_have_waiting() -> None:
    free, idle = bob(), person("eve", tier="free")
    queued(free)
    queued(free)

    done = confirmed(worked(prepared("move_tier", "pro", tier="free")))

    assert (done.counted, done.done) == (1, 1)
    assert Account.objects.get(owner_id=free.id).tier_id == "pro"
    assert Account.objects.get(owner_id=idle.id).tier_id == "free"
    assert set(Job.objects.values_list("tier_id", flat=True)) == {"pro"}


def test_the_pages_prepare_show_confirm_and_stop() -> None:
    queued(bob())
    client = operator()
    form = {"doing": "cancel", "tier": "free", "name": "bob's flood", "reason": "why"}

    for wrong, field in (
        ({"name": ""}, "name"),
        ({"reason": ""}, "reason"),
        ({"doing": "erase"}, "doing"),
        ({"doing": "move_tier"}, "tier_to"),
        ({"owner": "no@example.com"}, "owner"),
        ({"older_than": "soon"}, "older_than"),
    ):
        refused = client.post("/console/operations/new", {**form, **wrong})
        assert (refused.status_code, refused.context["fault"].field) == (422, field)
    made = client.post("/console/operations/new", form)
    counting = client.get(made.headers["Location"]).content.decode()
    operations.work(lambda: 0.5)
    page = client.get(made.headers["Location"]).content.decode()
    wrong_name = client.post(f"{made.headers['Location']}/confirm", {"name": "flood"})
    right = client.post(f"{made.headers['Location']}/confirm", {"name": "bob's flood"})
    client.post(f"{made.headers['Location']}/abort", {"reason": "Enough."})

    assert "Counting" in counting
    assert "Cancel what waits (1)" in page
    assert (wrong_name.status_code, right.status_code) == (422, 302)
    assert Operation.objects.get().state == OperationState.ABORTED
    assert Job.objects.get().state == "queued"
