"""Pools: added, tried, changed with a log, taken out when they fail in a row, let back in with care."""

import io
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test import Client

from jobs import pool_checks, pool_health, pools, sealing, transitions
from jobs.backends.backend import BackendError, Cancellation, Failed
from jobs.errors import InvalidField
from jobs.failures import FailureKind
from jobs.ids import JobId
from jobs.models import Attempt, Job, Lease, Node, Pool, PoolChange, PoolState
from jobs.sealing import CannotOpen
from scheduler import dispatch
from tests.factories import ann, dispatched, queued, running
from tests.jobs.servers import SILENCE, ScriptedServer, server

__all__ = ["server"]
pytestmark = pytest.mark.django_db(transaction=True)


def _fail(kind: FailureKind = FailureKind.BACKEND_ERROR, *, node: str = "gpu-7") -> None:
    job = Job.objects.get(id=Lease.objects.latest("granted_at").job_id)
    Attempt.objects.filter(job=job, ended_at=None).update(node=node)
    transitions.end_attempt(
        JobId(job.id), attempt=job.attempt, failure=kind, message="It fell over.", jitter=0
    )


def _long_ago() -> None:
    Pool.objects.update(state_since="2020-01-01T00:00:00Z", url="http://gpu.example")


def _fail_in_a_row(count: int, *, node: str = "gpu-7") -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    for _ in range(count):
        running(owner)
        _fail(node=node)


def test_a_secret_is_sealed_and_comes_back_and_is_in_no_repr() -> None:
    ann()
    pools.change("preview", actor="me", reason="a new key", key="sk-secret")

    stored = Pool.objects.get().sealed_key
    change = PoolChange.objects.get()
    assert "sk-secret" not in stored
    assert sealing.unseal(stored) == "sk-secret"
    assert change.changed == {"key": ["secret", "another secret"]}


def test_a_secret_of_another_installation_is_not_opened(settings: Any) -> None:
    sealed = sealing.seal("sk-secret")
    settings.SEALING_KEYS = ["another key"]

    with pytest.raises(CannotOpen):
        sealing.unseal(sealed)


def test_a_changed_key_still_opens_what_the_old_one_sealed(settings: Any) -> None:
    sealed = sealing.seal("sk-secret")
    settings.SEALING_KEYS = ["a new key", *settings.SEALING_KEYS]

    assert sealing.unseal(sealed) == "sk-secret"


def test_every_change_says_who_made_it_and_why() -> None:
    ann()
    pools.change("preview", actor="ops@example.com", reason="node maintenance", slots=1)

    change = PoolChange.objects.get()
    assert (change.actor, change.reason) == ("ops@example.com", "node maintenance")
    assert change.changed == {"slots": [2, 1]}


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"driver": "telepathy"}, "driver"),
        ({"slots": -1}, "slots"),
        ({"seconds": ["long"]}, "seconds"),
    ],
)
def test_a_pool_that_cannot_work_is_refused_by_its_field(
    settings: dict[str, Any], field: str
) -> None:
    ann()
    with pytest.raises(InvalidField) as refused:
        pools.put("preview", settings, actor="me")

    assert refused.value.field == field
    assert not PoolChange.objects.exists()


def test_a_pool_that_works_drains_before_it_goes() -> None:
    job = running(ann())

    first = pools.remove("preview", actor="me")
    transitions.end_attempt(
        JobId(job.id), attempt=1, failure=FailureKind.INVALID_REQUEST, message="No.", jitter=0
    )
    state = Pool.objects.get().state
    second = pools.remove("preview", actor="me")

    assert (first, state, second) == (1, PoolState.DRAINING, 0)
    assert not Pool.objects.exists()
    assert Job.objects.get().pool_id == "preview"


def test_the_commands_add_try_and_remove_a_pool() -> None:
    out = io.StringIO()
    options = ["--name", "local", "--driver", "preview", "--slots", "1", "--models", "preview"]

    call_command("add_pool", *options, stdout=out)
    call_command("test_pool", "--name", "local", stdout=out)
    call_command("remove_pool", "--name", "local", stdout=out)

    assert "The pool local was added." in out.getvalue()
    assert "ok  The backend is here." in out.getvalue()
    assert "The pool local was removed." in out.getvalue()


def test_a_command_without_what_it_needs_says_what_is_missing() -> None:
    with pytest.raises(CommandError, match="--driver"):
        call_command("add_pool", "--name", "local", "--slots", "1", "--models", "a")
    with pytest.raises(CommandError, match="There is no pool 'local'"):
        call_command("remove_pool", "--name", "local")


# --- Test connection


def _sentences(pool: Pool) -> list[tuple[bool, str]]:
    return [(found.is_ok, found.sentence) for found in pool_checks.check(pool)]


def test_a_connection_test_really_submits_and_cancels(server: ScriptedServer) -> None:
    ann()

    found = _sentences(Pool.objects.get())

    assert [is_ok for is_ok, _ in found] == [True, True]
    assert server.asked == ["health", "submit", "look", "cancel"]


@pytest.mark.parametrize(
    ("sighting", "word"),
    [
        (BackendError(FailureKind.BACKEND_ERROR, "No.", detail="the key was refused"), "key"),
        (Failed(kind=FailureKind.BACKEND_ERROR, message="Out of memory."), "Out of memory"),
    ],
)
def test_a_connection_test_says_what_is_wrong(
    server: ScriptedServer, sighting: Any, word: str
) -> None:
    ann()
    server.sighting = sighting

    is_ok, sentence = _sentences(Pool.objects.get())[-1]

    assert not is_ok
    assert word in sentence


def test_a_connection_test_tells_that_a_server_cannot_stop(server: ScriptedServer) -> None:
    ann()
    server.stop = Cancellation.GOES_ON

    assert "cannot stop" in _sentences(Pool.objects.get())[-1][1]


# --- Health


def test_a_server_that_answers_closes_its_breaker(server: ScriptedServer) -> None:
    ann()
    Pool.objects.update(url="http://gpu.example", unanswered=7)

    asked = pool_health.check_servers(every_seconds=10)
    again = pool_health.check_servers(every_seconds=10)

    assert (asked, again) == (1, 0)
    assert Pool.objects.get().unanswered == 0


def test_a_server_that_is_silent_opens_it(server: ScriptedServer) -> None:
    ann()
    Pool.objects.update(url="http://gpu.example")
    server.sighting = SILENCE

    for _ in range(5):
        Pool.objects.update(checked_at=None)
        pool_health.check_servers(every_seconds=10)

    pool = Pool.objects.get()
    assert pool.breaker_until is not None
    assert pool.last_error == "The GPU server did not answer."


def test_a_pool_that_fails_in_a_row_is_taken_out_and_says_why() -> None:
    _fail_in_a_row(4)
    before = pool_health.judge_pools()
    running(ann_again())
    _fail()

    after = pool_health.judge_pools()

    pool = Pool.objects.get()
    assert (before, after, pool.state) == (0, 1, PoolState.QUARANTINED)
    assert pool.state_reason == "5 attempts failed in a row. The last one: It fell over."
    assert PoolChange.objects.latest("id").actor == "health check"
    queued(ann_again())
    assert dispatch.grant_free_slots() == []


def ann_again() -> Any:
    from tests.factories import Person
    from videogen.accounts.models import User

    return Person(user=User.objects.get(email="ann@example.com"), api_key="")


def test_failures_of_the_owners_say_nothing_about_a_pool() -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    for _ in range(8):
        running(owner)
        _fail(FailureKind.CONTENT_POLICY)

    assert pool_health.judge_pools() == 0


def test_one_success_between_keeps_a_pool_in() -> None:
    _fail_in_a_row(4)
    job = running(ann_again())
    from tests.factories import VIDEO

    transitions.succeed(JobId(job.id), attempt=job.attempt, video=VIDEO)
    running(ann_again())
    _fail()

    assert pool_health.judge_pools() == 0


def test_a_quarantine_ends_on_probation_with_one_slot(server: ScriptedServer) -> None:
    _fail_in_a_row(5)
    pool_health.judge_pools()
    too_early = pool_health.let_back_in()
    Pool.objects.update(quarantined_until="2020-01-01T00:00:00Z")

    back = pool_health.let_back_in()
    for _ in range(3):
        queued(ann_again())
    Job.objects.filter(due_at__isnull=False).update(due_at="2100-01-01T00:00:00Z")

    assert (too_early, back) == (0, 1)
    assert len(dispatch.grant_free_slots()) == 1
    assert dispatch.grant_free_slots() == []


def test_a_failure_on_probation_takes_a_pool_out_for_longer(server: ScriptedServer) -> None:
    _fail_in_a_row(5)
    pool_health.judge_pools()
    first = Pool.objects.get()
    Pool.objects.update(quarantined_until="2020-01-01T00:00:00Z")
    pool_health.let_back_in()
    _long_ago_but_after_the_first()
    dispatched(ann_again())
    _fail()

    changed = pool_health.judge_pools()

    second = Pool.objects.get()
    assert (changed, second.state, second.quarantines) == (1, PoolState.QUARANTINED, 2)
    assert second.quarantined_until is not None
    assert first.quarantined_until is not None
    assert second.quarantined_until - second.state_since > timedelta(seconds=50)
    assert first.quarantined_until - first.state_since < timedelta(seconds=40)


def _long_ago_but_after_the_first() -> None:
    with connection.cursor() as cursor:
        cursor.execute("update pool set state_since = now()")


def test_a_success_on_probation_ends_it(server: ScriptedServer) -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(is_on_probation=True, quarantines=3)
    job = running(owner)
    from tests.factories import VIDEO

    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    assert pool_health.judge_pools() == 1
    pool = Pool.objects.get()
    assert (pool.is_on_probation, pool.quarantines) == (False, 0)


def test_only_the_machine_that_fails_is_taken_out() -> None:
    owner = ann()
    _long_ago()
    Pool.objects.update(slots=20)
    job = running(owner)
    Attempt.objects.filter(job=job).update(node="gpu-6")
    from tests.factories import VIDEO

    for _ in range(5):
        running(owner)
        _fail(node="gpu-7")
    transitions.succeed(JobId(job.id), attempt=1, video=VIDEO)

    taken_out = pool_health.judge_nodes()
    again = pool_health.judge_nodes()

    assert (taken_out, again) == (1, 0)
    assert Node.objects.get().name == "gpu-7"
    assert pool_health.is_quarantined("preview", "gpu-7")
    assert not pool_health.is_quarantined("preview", "gpu-6")
    assert pool_health.judge_pools() == 0


def test_a_machine_comes_back_by_itself_and_stays_out_longer_the_next_time() -> None:
    ann()
    Node.objects.create(
        pool_name="preview",
        name="gpu-7",
        reason="before",
        quarantined_until="2020-01-01T00:00:00Z",
        quarantines=2,
    )
    assert not pool_health.is_quarantined("preview", "gpu-7")

    with connection.cursor() as cursor:
        cursor.execute(
            pool_health._PUT_NODE_OUT,
            {"pool": "preview", "node": "gpu-7", "reason": "again", "first": 30, "longest": 900},
        )

    node = Node.objects.annotate(length=F("quarantined_until") - F("quarantined_at")).get()
    assert node.quarantines == 3
    assert node.length == timedelta(seconds=120)


def test_the_admin_adds_a_pool_with_a_sealed_key_and_tries_it(server: ScriptedServer) -> None:
    from videogen.accounts.models import User

    ann()
    User.objects.create_superuser("root@example.com", "a long password")
    browser = Client()
    browser.login(username="root@example.com", password="a long password")
    form = {
        "name": "sglang-a",
        "driver": "preview",
        "profile": "",
        "url": "http://10.0.0.8:30000",
        "slots": "2",
        "state": "active",
        "model_names": "wan",
        "seconds": "4",
        "sizes": "1280x720",
        "credits_per_second": "1",
        "declared_speed": "1",
        "paid_reserved": "0",
        "polls_per_second": "5",
        "result_hosts": "",
        "key": "sk-secret",
        "webhook_secret": "",
        "reason": "a new node",
    }

    added = browser.post("/admin/jobs/pool/add/", form)
    tried = browser.post(
        "/admin/jobs/pool/",
        {"action": "try_servers", "_selected_action": ["sglang-a"]},
        follow=True,
    )
    shown = browser.get("/admin/jobs/pool/sglang-a/change/")

    pool = Pool.objects.get(name="sglang-a")
    assert added.status_code == 302, added.content.decode()
    assert sealing.unseal(pool.sealed_key) == "sk-secret"
    assert "sk-secret" not in shown.content.decode()
    said = [str(message) for message in tried.context["messages"]]
    assert any("sglang-a: It took a test order" in text for text in said), said
    assert PoolChange.objects.filter(pool="sglang-a", actor="root@example.com").exists()
