"""A suspended account is refused at once; what waits is withdrawn, what runs finishes, all is on record."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from jobs import transitions
from jobs.ids import JobId
from jobs.models import Account, Job
from tests.factories import VIDEO, Person, ann, bob, queued, running
from videogen.accounts import suspensions
from videogen.accounts.models import Suspension, User
from videogen.accounts.suspensions import SuspensionRefused

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "Prompts against the rules."


def _admin() -> User:
    return User.objects.create_superuser("root@example.com", "a long password")


def _api(owner: Person, method: str = "GET") -> Any:
    body = '{"prompt": "a whale"}' if method == "POST" else ""
    return Client().generic(
        method, "/api/v1/jobs", body, content_type="application/json", headers=owner.headers
    )


def test_a_suspended_account_is_refused_with_what_happened_and_what_to_do() -> None:
    owner, other = ann(), bob()
    assert _api(owner).status_code == 200

    suspensions.suspend(owner.user, reason=WHY, by=None)

    for method in ("GET", "POST"):
        refused = _api(owner, method)
        assert refused.status_code == 403
        assert refused.json()["code"] == "account_suspended"
        assert "against the rules" in refused.json()["detail"]
        assert "administrator" in refused.json()["detail"]
    assert _api(other).status_code == 200
    assert not Job.objects.exists()


def test_pages_say_it_too_and_leave_the_way_out_open() -> None:
    owner = ann()
    browser = Client()
    browser.force_login(owner.user)
    suspensions.suspend(owner.user, reason=WHY, by=None)

    page = browser.get("/")
    api = browser.get("/api/v1/jobs")

    assert page.status_code == api.status_code == 403
    assert WHY in page.content.decode()
    assert api.json()["code"] == "account_suspended"
    assert browser.post("/sign-out").status_code == 302


def test_waiting_jobs_are_withdrawn_at_no_charge_and_running_ones_finish() -> None:
    owner, other = ann(), bob()
    run = running(owner)
    waiting = [queued(owner, f"whale {number}") for number in range(3)]
    theirs = queued(other)
    suspensions.suspend(owner.user, reason=WHY, by=None)

    assert suspensions.withdraw_jobs() == 3
    assert suspensions.withdraw_jobs() == 0

    jobs = Job.objects.filter(id__in=waiting)
    assert {job.state for job in jobs} == {"canceled"}
    assert {job.error_message for job in jobs} == {suspensions.WITHDRAWN}
    assert {job.credits_charged for job in jobs} == {0}
    assert Job.objects.get(id=theirs).state == "queued"
    transitions.succeed(JobId(run.id), attempt=run.attempt, video=VIDEO)
    assert Job.objects.get(id=run.id).credits_charged > 0
    assert Account.objects.get(owner_id=owner.id).held == 0


def test_the_sweep_is_bounded_and_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspensions, "_JOBS", 2)
    monkeypatch.setattr(suspensions, "_ACCOUNTS", 1)
    for owner in (ann(), bob()):
        for number in range(3):
            queued(owner, f"whale {number}")
        suspensions.suspend(owner.user, reason=WHY, by=None)

    assert [suspensions.withdraw_jobs() for _ in range(3)] == [4, 2, 0]


def test_an_account_is_swept_until_nothing_of_it_is_open() -> None:
    owner = ann()
    run = running(owner)
    began = suspensions.suspend(owner.user, reason=WHY, by=None)
    Suspension.objects.update(began_at="2020-01-01T00:00:00Z")

    suspensions.withdraw_jobs()
    assert Suspension.objects.get(id=began.id).emptied_at is None
    transitions.succeed(JobId(run.id), attempt=run.attempt, video=VIDEO)
    suspensions.withdraw_jobs()

    assert Suspension.objects.get(id=began.id).emptied_at is not None


def test_a_lifted_account_works_as_before_and_may_be_suspended_again() -> None:
    owner, admin = ann(), _admin()
    suspensions.suspend(owner.user, reason=WHY, by=admin)
    suspensions.lift(owner.user, reason="It was a mistake.", by=admin)

    assert _api(owner, "POST").status_code == 202
    assert suspensions.withdraw_jobs() == 0
    suspensions.suspend(owner.user, reason=WHY, by=admin)
    first, second = Suspension.objects.order_by("began_at")
    assert (first.began_by, first.lifted_by, first.lift_reason) == (
        admin,
        admin,
        "It was a mistake.",
    )
    assert second.lifted_at is None


def test_senseless_suspensions_are_refused() -> None:
    owner, admin = ann(), _admin()
    with pytest.raises(SuspensionRefused, match="Say why"):
        suspensions.suspend(owner.user, reason="  ", by=admin)
    with pytest.raises(SuspensionRefused, match="themselves"):
        suspensions.suspend(admin, reason=WHY, by=admin)
    with pytest.raises(SuspensionRefused, match="not suspended"):
        suspensions.lift(owner.user, reason="", by=admin)
    suspensions.suspend(owner.user, reason=WHY, by=admin)
    with pytest.raises(SuspensionRefused, match="already"):
        suspensions.suspend(owner.user, reason=WHY, by=admin)


def test_an_administrator_suspends_and_lifts_in_the_admin_with_a_reason_on_record() -> None:
    owner, admin = ann(), _admin()
    browser = Client()
    browser.force_login(admin)

    def act(action: str, reason: str) -> str:
        fields = {"action": action, "reason": reason, "_selected_action": [str(owner.id)]}
        answer = browser.post("/admin/accounts/user/", fields, follow=True)
        assert answer.status_code == 200
        return str(answer.content.decode())

    assert "Say why" in act("suspend", "")
    act("suspend", WHY)
    assert _api(owner).status_code == 403
    act("lift_suspension", "Settled.")

    assert _api(owner).status_code == 200
    record = Suspension.objects.get()
    assert (record.reason, record.began_by, record.lift_reason) == (WHY, admin, "Settled.")
    assert LogEntry.objects.filter(user=admin, object_id=str(owner.id)).count() == 2
    assert browser.get("/admin/accounts/suspension/").status_code == 200
    assert browser.get(f"/admin/accounts/user/{owner.id}/change/").status_code == 200


def test_the_admin_has_no_sign_in_of_its_own() -> None:
    assert Client().get("/admin/login/").headers["Location"].startswith("/sign-in")
    browser = Client()
    browser.force_login(ann().user)
    assert browser.get("/admin/").status_code in {302, 403}
