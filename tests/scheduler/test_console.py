"""The operator console: who enters, what is shown, what can be done, and that each act is noted with its reason."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from jobs.ids import shown_to_openai
from jobs.models import Attempt, Backlog, Job, Lane, Lease, Orphan, Pool, PoolChange
from scheduler import dispatch, readings
from scheduler.console.urls import urlpatterns
from scheduler.models import Act, Reading
from tests.factories import (
    ann,
    bob,
    expire_lease,
    published,
    queued,
    running,
    silent,
    submit,
    submitted_to_server,
    succeeded,
)
from tests.scheduler.staff import member, operator, viewer

pytestmark = pytest.mark.django_db


def path_of(pattern: Any) -> str:
    route = str(pattern.pattern)
    for hole, value in {
        "<slug:name>": "preview",
        "<slug:verb>": "drain",
        "<uuid:job_id>": str(Job.objects.get().id),
        "<uuid:operation_id>": str(uuid4()),
    }.items():
        route = route.replace(hole, value)
    return f"/console/{route}"


def test_the_roles_are_there_from_the_start() -> None:
    rights = {
        group.name: set(group.permissions.values_list("codename", flat=True))
        for group in Group.objects.all()
    }

    assert rights["Console viewer"] == {"view_console"}
    assert rights["Operator"] == {"view_console", "operate_console"}


def test_every_address_of_the_console_is_in_the_matrix() -> None:
    mounted: list[Any] = [
        one for one in get_resolver().url_patterns if str(one.pattern) == "console/"
    ]

    assert [one.url_patterns for one in mounted] == [urlpatterns]


def test_nobody_but_staff_with_the_right_is_let_in_anywhere() -> None:
    owner = ann()
    succeeded(owner)
    customer, plain_staff, looks = Client(), member(), viewer()
    customer.force_login(owner.user)

    for pattern in urlpatterns:
        path = path_of(pattern)
        for verb in ("get", "post"):
            nobody = getattr(Client(), verb)(path)
            assert nobody.status_code in {302, 405}, path
            assert "sign-in" in nobody.headers.get("Location", "sign-in"), path
            for stranger in (customer, plain_staff):
                assert getattr(stranger, verb)(path).status_code in {403, 405}, path
        assert looks.post(path).status_code in {403, 405}, path
    assert not Act.objects.exists()
    assert Pool.objects.get().state == "active"


def test_who_may_only_look_sees_every_page_and_no_button() -> None:
    succeeded(ann())
    readings.take()
    client = viewer()

    for pattern in urlpatterns:
        answer = client.get(path_of(pattern))
        if "operation_id" not in str(pattern.pattern) and answer.status_code != 405:
            assert answer.status_code == 200, pattern
    page = client.get("/console/").content.decode()
    assert "Read only" in page
    assert "Drain" not in page


def test_the_tiles_say_what_is_true() -> None:
    owner = ann()
    running(owner)
    running(owner)
    queued(owner)
    published()
    readings.take()

    page = viewer().get("/console/live").content.decode()

    assert "<dd>2 <small>of 2</small></dd>" in page
    assert "Pro 1" in page
    # Arrived three, ended none, in the last minute.
    figures = Reading.objects.get().figures
    assert (figures["arrived"], figures["ended"], figures["granted"]) == (3, 0, 2)
    assert figures["waits"]["pro"] == figures["waits"][""]
    assert figures["pools"] == {"preview": [2, 2]}


def test_what_waits_is_counted_right_although_its_first_jobs_cost_less() -> None:
    owner = ann()
    running(owner)
    running(owner)
    for _ in range(4):
        queued(owner)
    later = list(Backlog.objects.order_by("job_id").values_list("job_id", flat=True))[1:]
    Backlog.objects.filter(job_id__in=later).update(cost=40)
    Lane.objects.update(work=4 + 3 * 40)
    published()

    readings.take()

    assert Reading.objects.get().figures["waiting"] == 4
    assert "Pro 4" in viewer().get("/console/live").content.decode()


def test_readings_are_dropped_after_two_hours() -> None:
    ann()
    old = timezone.now() - timedelta(seconds=readings.KEPT + 1)
    Reading.objects.create(taken_at=old, figures={}, accounts={})

    readings.take()

    assert Reading.objects.filter(taken_at__lte=old).count() == 0


def test_tenants_are_held_against_what_they_are_entitled_to() -> None:
    pro, free = ann(), bob()
    running(pro)
    Lease.objects.update(granted_at=timezone.now() - timedelta(minutes=2))
    queued(free)
    readings.take()

    page = viewer().get("/console/tenants").content.decode()

    # Of the weights 30 and 10, one active owner each; only the first has a slot.
    assert '100% <span class="faint">of 75.0%</span>' in page
    assert "of 25.0%</span>" in page
    assert "bob@example.com" in page


def finds(client: Client, term: str) -> str:
    answer = client.get("/console/jobs", {"q": term}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_job_is_found_by_any_whole_id() -> None:
    owner, client = ann(), viewer()
    job_id = submit(owner, "the lost whale", key="order 7 of today").job_id
    batch = uuid4()
    Job.objects.filter(id=job_id).update(batch_id=batch)
    dispatch.grant_free_slots()
    submitted_to_server()
    Attempt.objects.update(backend_job_id="their-id")

    for term in (
        str(job_id),
        job_id.hex,
        shown_to_openai(job_id),
        str(batch),
        "their-id",
        "ANN@example.com",
        "ann@example.com order 7 of today",
        str(owner.id),
    ):
        assert "the lost whale" in finds(client, term), term
    for term in (
        str(uuid4()),
        "their",
        "order 7 of today",
        "nobody@example.com",
        "\x00",
        "a" * 900,
    ):
        assert "Nothing has this id" in finds(client, term), term


@pytest.mark.parametrize(
    ("verb", "state"), [("drain", "draining"), ("pause", "paused"), ("quarantine", "quarantined")]
)
def test_a_pool_is_taken_out_with_a_reason_and_taken_back(verb: str, state: str) -> None:
    running(ann())
    client = operator()

    asked = client.get(f"/console/pools/preview/{verb}").content.decode()
    forgot = client.post(f"/console/pools/preview/{verb}", {"reason": " "})
    before = Pool.objects.get().state
    done = client.post(
        f"/console/pools/preview/{verb}", {"reason": "A <b>fan</b> broke."}, follow=True
    )
    out = Pool.objects.get()
    again = client.post(f"/console/pools/preview/{verb}", {"reason": "Twice."})
    client.post("/console/pools/preview/resume", {"reason": "Repaired."})

    assert "1 job holds a slot there now" in asked
    assert (forgot.status_code, before) == (422, "active")
    assert "Say why" in forgot.content.decode()
    assert (out.state, out.state_reason) == (state, "A <b>fan</b> broke.")
    assert "A &lt;b&gt;fan&lt;/b&gt; broke." in done.content.decode()
    assert "hold a slot there." in done.content.decode()
    assert again.status_code == 409
    assert Pool.objects.get().state == "active"
    first, second = Act.objects.order_by("id")
    assert (first.actor, first.verb, first.subject) == (
        "staff2@example.com",
        f"pool.{verb}",
        "preview",
    )
    assert (first.reason, second.verb) == ("A <b>fan</b> broke.", "pool.resume")
    assert PoolChange.objects.count() == 2
    assert Lease.objects.count() == 1


def test_what_operators_did_is_never_changed() -> None:
    ann()
    operator().post("/console/pools/preview/pause", {"reason": "why"})

    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Act.objects.update(reason="because")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Act.objects.all().delete()


def test_the_audit_filters_by_whole_values_and_goes_back_page_by_page() -> None:
    ann()
    for number in range(60):
        Act.objects.create(
            actor="ops@example.com",
            verb="pool.drain",
            subject=f"p-{number}",
            reason="why",
            outcome="Done.",
        )
    client = viewer()

    first = client.get("/console/audit", {"actor": "ops@example.com"}).content.decode()
    older = Act.objects.order_by("-id")[49].pk
    second = client.get("/console/audit", {"actor": "ops@example.com", "before": str(older)})
    none = client.get("/console/audit", {"verb": "pool.pause"}).content.decode()

    assert first.count(">ops@example.com</td>") == 50
    assert f"before={older}" in first
    assert second.content.decode().count(">ops@example.com</td>") == 10
    assert "Nothing matches" in none


def test_a_waiting_job_is_cancelled_for_free_and_its_owner_told_why() -> None:
    owner = ann()
    job_id = queued(owner)
    client = operator()

    forgot = client.post(f"/console/jobs/{job_id}/act", {"do": "cancel"})
    done = client.post(
        f"/console/jobs/{job_id}/act", {"do": "cancel", "reason": "Abuse."}, follow=True
    )
    again = client.post(
        f"/console/jobs/{job_id}/act", {"do": "cancel", "reason": "Again."}, follow=True
    )

    job = Job.objects.get()
    assert (forgot.status_code, job.state, job.credits_charged) == (422, "canceled", 0)
    assert job.error_message == "Cancelled by an operator: Abuse."
    assert "its owner is told why" in done.content.decode()
    assert "nothing was done" in again.content.decode()
    assert (
        list(Act.objects.order_by("id").values_list("verb", "subject"))
        == [("job.cancel", f"job {job_id}")] * 2
    )


def test_a_running_job_is_put_back_in_line_without_using_up_a_try() -> None:
    job = running(ann())

    operator().post(f"/console/jobs/{job.id}/act", {"do": "put-back", "reason": "Node goes down."})

    now = Job.objects.get()
    assert (now.state, now.failed_count, now.attempt) == ("queued", 0, 1)
    assert Attempt.objects.get().outcome == "worker_stopped"
    assert not Lease.objects.exists()


def test_what_may_go_on_at_a_server_is_written_down_when_its_job_is_put_back() -> None:
    job = running(ann())
    Pool.objects.update(driver="openai_videos", profile="sglang", url="http://gpu.example:30000")
    submitted_to_server()

    operator().post(f"/console/jobs/{job.id}/act", {"do": "put-back", "reason": "Node goes down."})

    orphan = Orphan.objects.get()
    assert (orphan.job_id, orphan.backend_job_id) == (job.id, "b-1")
    assert orphan.reason == "An operator put its job back in line: Node goes down."


def test_a_silent_worker_is_shown_by_its_cause_with_the_count() -> None:
    owner = ann()
    silent(owner)
    job = running(owner)
    expire_lease(job.id)
    Lease.objects.filter(job_id=job.id).update(granted_at=timezone.now() - timedelta(minutes=9))

    page = operator().get("/console/live").content.decode()

    assert "The worker is silent" in page
    assert "Nobody took it" in page
    assert "doing=ask&amp;pool=preview&amp;cause=worker_silent" in page
    assert 'node <span class="mono">gpu-7</span>' in page


def test_a_dead_pool_is_one_cause_whatever_its_attempts_say() -> None:
    silent(ann())
    Pool.objects.update(breaker_until=timezone.now() + timedelta(minutes=1))

    page = viewer().get("/console/live").content.decode()

    assert "The pool is down" in page
    assert "The worker is silent" not in page
    assert "breaker open" in page
