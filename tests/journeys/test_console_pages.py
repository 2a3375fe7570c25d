"""The operator console in a browser: every page in both themes and on a phone, live, and without scripts."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs import seeds
from jobs.models import Job, Pool
from notifications import parking, subscribers
from notifications.models import Delivery, Notification, OutboxEvent, ParkedEvent
from scheduler import operations, readings
from scheduler.models import Act
from tests.factories import ann, person, published, queued, running, succeeded
from tests.journeys import console_scenes
from tests.journeys.looking import SHOTS, Feed, faults_of, judge_every_view, reader

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def session() -> dict[str, str]:
    seeds.add_tiers()
    staff = person("ops", tier="internal").user
    staff.is_staff = staff.is_superuser = True
    staff.save()
    client = Client()
    client.force_login(staff)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


@pytest.fixture
def page(browser: Browser, live_server: LiveServer, session: dict[str, str]) -> Iterator[Page]:
    with reader(browser, url=live_server.url, session=session) as page:
        Feed().route(page)
        yield page


def test_every_page_of_the_console_reads_well_everywhere(page: Page) -> None:
    addresses = console_scenes.a_busy_hour(ann())
    said = faults_of(page)
    found: list[str] = []

    for title, address in addresses.items():
        page.goto(address)
        if title == "console":
            page.wait_for_selector("[data-chart=rates] canvas")
            page.screenshot(path=SHOTS / "console-whole.png", full_page=True)
        found += judge_every_view(page, title)
    page.emulate_media(color_scheme="dark")
    page.goto("/console/")
    page.wait_for_selector("[data-chart=rates] canvas")
    page.screenshot(path=SHOTS / "console-whole-dark.png", full_page=True)

    assert found + said == []


def test_an_empty_console_says_so(page: Page) -> None:
    said = faults_of(page)
    found: list[str] = []

    for title, address in {
        "console-empty": "/console/",
        "console-audit-empty": "/console/audit",
    }.items():
        page.goto(address)
        found += judge_every_view(page, title)

    assert found + said == []


def test_an_open_page_shows_what_becomes_true_and_admits_when_it_cannot_know(
    page: Page,
) -> None:
    owner = ann()
    published()
    page.goto("/console/")
    slots = page.locator(".readings dd").first
    expect(slots).to_contain_text("0 of 2")

    running(owner)
    expect(slots).to_contain_text("1 of 2", timeout=20_000)
    page.route("**/console/live", lambda route: route.abort())
    expect(page.locator("[data-offline]")).to_be_visible(timeout=20_000)
    # The feed, which goes on, does not take it back.
    page.wait_for_event("requestfailed")
    expect(page.locator("[data-offline]")).to_contain_text("what was true at")
    page.unroute("**/console/live")

    expect(page.locator("[data-offline]")).to_be_hidden(timeout=20_000)


def test_an_operator_pauses_a_pool_and_stops_a_flood_without_scripts(
    browser: Browser, live_server: LiveServer, session: dict[str, str]
) -> None:
    owner = ann()
    for _ in range(3):
        queued(owner)
    readings.take()
    with reader(browser, url=live_server.url, session=session, java_script_enabled=False) as page:
        page.goto("/console/pools/preview")
        page.get_by_role("link", name="Pause").click()
        page.get_by_label("Reason, for the audit log").fill("Power goes down at noon")
        page.get_by_role("button", name="Pause preview").click()
        expect(page.get_by_text("preview is paused.")).to_be_visible()

        page.goto("/console/jobs")
        page.get_by_role("link", name="New action").click()
        page.get_by_label("Name of this action").fill("Ann's flood")
        page.get_by_label("Owner’s e-mail").fill("ann@example.com")
        page.get_by_label("Reason, for the audit log").fill("Asked for by Ann")
        page.get_by_role("button", name="Count first").click()
        operations.work(lambda: 0.5)
        page.get_by_role("link", name="Look again").click()
        page.get_by_label("Type the name to confirm").fill("Ann's flood")
        page.get_by_role("button", name="Cancel what waits (3)").click()
        operations.work(lambda: 0.5)
        page.reload()
        expect(page.get_by_text("Done", exact=True).first).to_be_visible()

    assert Pool.objects.get().state == "paused"
    assert {job.state for job in Job.objects.all()} == {"canceled"}
    assert set(Act.objects.values_list("verb", flat=True)) == {"pool.pause", "bulk.cancel"}


def test_an_operator_watches_an_action_on_many_and_stops_it_half_way(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, other = ann(), person("bea", tier="pro")
    for _ in range(5):
        queued(owner)
    spared = queued(other)
    faults = faults_of(page)
    page.goto("/console/operations/new")
    page.get_by_label("Name of this action").fill("Ann's flood")
    page.get_by_label("Owner’s e-mail").fill("ann@example.com")
    page.get_by_label("Reason, for the audit log").fill("Asked for by Ann")
    page.get_by_role("button", name="Count first").click()
    expect(page.get_by_text("Counting", exact=True)).to_be_visible()

    operations.work(lambda: 0.5)
    name = page.get_by_label("Type the name to confirm")
    expect(page.get_by_text("it would be done to 5")).to_be_visible()
    name.fill("another flood")
    page.get_by_role("button", name="Cancel what waits (5)").click()
    expect(page.get_by_text("Type its name to confirm: Ann's flood")).to_be_visible()
    assert not Job.objects.exclude(state="queued").exists()
    name.fill("Ann's flood")
    page.get_by_role("button", name="Cancel what waits (5)").click()
    expect(page.get_by_text("Running", exact=True)).to_be_visible()

    monkeypatch.setattr(operations, "_DONE_AT_ONCE", 2)
    at_work = operations._take()
    assert at_work is not None
    operations._page(at_work, lambda: 0.5)
    # The page finds out by itself.
    expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "2")
    page.get_by_label("Reason, for the audit log").fill("Ann called again")
    page.get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("Stopped", exact=True)).to_be_visible()
    operations.work(lambda: 0.5)

    page.get_by_role("link", name="In the audit log").click()
    expect(page.get_by_text("“Ann's flood” stopped after 2 of 5.")).to_be_visible()
    expect(page.get_by_text("Ann called again")).to_be_visible()
    assert Job.objects.filter(owner_id=owner.id, state="canceled").count() == 2
    assert Job.objects.get(id=spared).state == "queued"
    assert [fault for fault in faults if "422" not in fault] == []


def test_an_operator_replays_what_is_dead_with_a_reason(page: Page) -> None:
    owner = ann()
    job = succeeded(owner)
    event = OutboxEvent.objects.get(subject_id=job.id, name="job.succeeded")
    hears = parking.name_of(subscribers.notify_owner)
    ParkedEvent.objects.create(event_id=event.id, subscriber=hears, error="KeyError: 'x'")
    console_scenes.a_dead_webhook(owner)
    page.goto("/console/")
    page.get_by_role("link", name="Dead letters 1 parked events").click()

    page.get_by_label("Reason, for the audit log").fill("The bug is mended")
    page.get_by_role("button", name="Replay the chosen ones").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose at least one.")
    page.get_by_role("checkbox", name=f"Event {event.id}").check()
    page.get_by_role("button", name="Replay the chosen ones").click()
    expect(page.get_by_text("1 event heard.")).to_be_visible()
    expect(page.get_by_text("Nothing is dead")).to_be_visible()

    page.get_by_role("link", name="Webhooks").click()
    page.get_by_role("checkbox", name="job.succeeded").check()
    page.get_by_label("Reason, for the audit log").fill("Their server is back")
    page.get_by_role("button", name="Replay the chosen ones").click()
    expect(page.get_by_text("1 delivery scheduled again.")).to_be_visible()

    assert Notification.objects.get().subject_id == job.id
    assert Delivery.objects.get(channel="webhook").state == "scheduled"
    page.get_by_role("link", name="Audit").click()
    for said in ("The bug is mended", "Their server is back", "events.replay", "deliveries.replay"):
        expect(page.get_by_role("cell", name=said, exact=True)).to_be_visible()
