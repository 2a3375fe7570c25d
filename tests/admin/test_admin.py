"""Every table can be read by operators; what they change is logged with its reason."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.models import Job, Tier
from notifications import records
from notifications.records import EstimatedPaginator
from tests.factories import ann, queued, running, succeeded
from tests.journeys.scenes import HOSTILE, relay_everything
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db
_ROOMS = ("accounts", "scheduler", "jobs", "notifications")


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    return client


def _addressable() -> list[str]:
    return [
        model._meta.label_lower
        for room in _ROOMS
        for model in apps.get_app_config(room).get_models()
        if not model._meta.is_composite_pk
    ]


@pytest.mark.parametrize("label", _addressable())
def test_every_table_has_a_list_that_searches_and_counts_nothing_whole(
    operator: Client, label: str
) -> None:
    app, _, model = label.partition(".")
    address = reverse(f"admin:{app}_{model}_changelist")

    with CaptureQueriesContext(connection) as asked:
        plain = operator.get(address)
    searched = operator.get(address, {"q": "01a1fdf3-703e-762e-9dc5-02f8085a8a32"})
    nonsense = operator.get(address, {"q": "no such thing"})

    assert [plain.status_code, searched.status_code, nonsense.status_code] == [200, 200, 200]
    counts = [query["sql"] for query in asked if "COUNT(*)" in query["sql"]]
    assert all("LIMIT" in sql for sql in counts if f'"{Job._meta.db_table}"' in sql)


def test_history_and_money_have_no_button_that_saves(operator: Client) -> None:
    job = succeeded(ann())
    relay_everything()

    for model in ("job", "jobtransition", "ledgerentry", "attempt", "account"):
        table = admin.site._registry[apps.get_model("jobs", model)].model
        first = table._default_manager.first()
        page = operator.get(reverse(f"admin:jobs_{model}_change", args=[first.pk]))
        assert page.status_code == 200, model
        assert 'name="_save"' not in page.content.decode(), model
    assert Job.objects.get(id=job.id).state == "succeeded"


def test_a_cancel_needs_a_reason_that_is_logged_and_told(operator: Client) -> None:
    owner = ann()
    begun, waiting = running(owner), queued(owner)
    address = reverse("admin:jobs_job_changelist")
    form = {"action": "cancel", "_selected_action": [str(waiting), str(begun.id)]}

    refused = operator.post(address, form, follow=True).content.decode()
    assert Job.objects.get(id=waiting).state == "queued"
    done = operator.post(address, form | {"reason": "Flood of tests"}, follow=True).content.decode()

    assert "give the reason" in refused
    # What runs is its owner's to cancel: it may cost credits.
    assert "A job that is running cannot become canceled" in done
    ended = Job.objects.get(id=waiting)
    assert (ended.state, ended.credits_charged) == ("canceled", 0)
    assert ended.error_message == "Cancelled by an operator: Flood of tests"
    assert Job.objects.get(id=begun.id).cancel_requested_at is None
    (entry,) = LogEntry.objects.all()
    assert (entry.object_id, entry.change_message) == (str(waiting), "Cancelled: Flood of tests")


def test_a_changed_plan_is_logged_with_who_what_and_why(operator: Client) -> None:
    tier = Tier.objects.get(name="free")
    address = reverse("admin:jobs_tier_change", args=["free"])
    fields = operator.get(address).context["adminform"].form.initial
    form = {name: "" if value is None else value for name, value in fields.items()}

    unreasoned = operator.post(address, form | {"queued_limit": 12})
    operator.post(address, form | {"queued_limit": 12, "reason": "More room in autumn"})

    assert "reason" in unreasoned.context["adminform"].form.errors
    tier.refresh_from_db()
    assert tier.queued_limit == 12
    said = LogEntry.objects.get().get_change_message()
    assert "More room in autumn" in said
    assert "queued" in said.lower()
    log = operator.get(reverse("admin:admin_logentry_changelist")).content.decode()
    assert "More room in autumn" in log
    assert "root@example.com" in log


def test_a_hostile_prompt_stays_text(operator: Client) -> None:
    job_id = queued(ann(), HOSTILE)

    page = operator.get(reverse("admin:jobs_job_change", args=[job_id])).content.decode()

    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_many_rows_are_estimated_and_few_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = ann()
    for number in range(3):
        queued(owner, f"prompt {number}")
    assert EstimatedPaginator(Job.objects.order_by("pk"), 50).count == 3

    monkeypatch.setattr(records, "_COUNTED", 2)
    with connection.cursor() as cursor:
        cursor.execute("update pg_class set reltuples = 4000000 where relname = 'job'")

    assert EstimatedPaginator(Job.objects.order_by("pk"), 50).count == 4_000_000
    # What is filtered has no estimate: it is said to go on for one more page.
    assert EstimatedPaginator(Job.objects.filter(state="queued").order_by("pk"), 50).count == 3
