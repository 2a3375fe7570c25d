"""Pages on their way, refused and away: each by its real cause, looked at in both themes and on a phone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F
from playwright.sync_api import Browser, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from jobs import history
from jobs.models import Account, Job, Pool, Tier
from jobs.web import usage
from tests.factories import Person, queued
from tests.journeys.looking import Feed, judge_every_view, reader
from tests.journeys.test_pages import owner, session_of  # noqa: F401 - a fixture

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# More fields than Django reads of a form.
_TOO_MANY_FIELDS = """() => {
    const form = document.getElementById("composer");
    for (let at = 0; at < 1100; at += 1) {
        form.append(Object.assign(document.createElement("input"), {name: `x${at}`, value: at}));
    }
    HTMLFormElement.prototype.submit.call(form);
}"""


@pytest.fixture
def page(
    browser: Browser,
    live_server: LiveServer,
    owner: Person,  # noqa: F811 - the fixture above
) -> Iterator[Page]:
    with reader(browser, url=live_server.url, session=session_of(owner)) as page:
        Feed().route(page)
        yield page


def test_what_is_refused_before_any_view_says_what_to_do(
    browser: Browser, live_server: LiveServer, page: Page, settings: Any
) -> None:
    page.goto("/")
    page.evaluate(_TOO_MANY_FIELDS)
    expect(page.get_by_role("heading", name="This request cannot be read")).to_be_visible()
    faults = judge_every_view(page, "error-400")

    with reader(browser, url=live_server.url, session=None) as stranger:
        stranger.goto("/sign-in")
        stranger.context.clear_cookies()
        _sign_in(stranger)
        expect(stranger.get_by_role("heading", name="This form is too old")).to_be_visible()
        faults += judge_every_view(stranger, "error-403-form")

        settings.FLOOD_SIGN_INS_PER_MINUTE = 1
        for _ in range(2):
            stranger.goto("/sign-in")
            _sign_in(stranger)
        expect(stranger.get_by_role("heading", name="Too many tries")).to_be_visible()
        expect(stranger.get_by_role("main")).to_contain_text("go back and try again")
        faults += judge_every_view(stranger, "error-429")

    assert faults == []


def _sign_in(page: Page) -> None:
    page.get_by_label("Email").fill("somebody@example.com")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()


def test_a_database_that_is_away_is_told_of_and_nothing_is_lost(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(usage, "page", away)
    answer = page.goto("/usage")

    expect(page.get_by_role("heading", name="Back in a moment")).to_be_visible()
    assert answer is not None
    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert judge_every_view(page, "error-503") == []


def test_a_form_says_that_it_is_on_its_way_and_keeps_the_prompt_when_it_is_refused(
    page: Page,
    owner: Person,  # noqa: F811
) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.goto("/")
    prompt = page.get_by_role("textbox", name="Prompt")
    prompt.fill("A lighthouse at blue hour")
    page.route("**/", hold)

    page.get_by_role("button", name="Generate").click()
    sending = page.get_by_role("button", name="Sending")
    expect(sending).to_be_visible()
    faults = judge_every_view(page, "studio-sending")
    sending.click()
    Tier.objects.update(queued_limit=0)
    Pool.objects.update(slots=0)
    held[0].continue_()
    refusal = page.locator("[data-refusal]")
    expect(refusal).to_contain_text("places in line are taken")
    expect(prompt).to_have_value("A lighthouse at blue hour")
    faults += judge_every_view(page, "studio-refused")
    assert len(held) == 1

    page.unroute("**/")
    Tier.objects.update(queued_limit=5)
    Account.objects.update(balance=3)
    page.get_by_role("button", name="Generate").click()
    expect(refusal).to_contain_text("This video costs 4 credits and 3 are left.")
    prompt.fill(" ")
    page.get_by_role("button", name="Generate").click()
    expect(prompt).to_have_attribute("aria-invalid", "true")
    faults += judge_every_view(page, "studio-fault")
    assert not Job.objects.exists()
    assert faults == []


def test_older_videos_say_that_they_load_and_when_they_could_not_be(
    page: Page,
    owner: Person,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "PAGE", 3)
    Pool.objects.update(slots=0)
    for number in range(5):
        job_id = queued(owner, f"Shot {number}")
        age = timedelta(hours=number)
        Job.objects.filter(id=job_id).update(created_at=F("created_at") - age)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/history?*before*", hold)
    page.goto("/history")
    page.mouse.wheel(0, 5_000)

    expect(page.get_by_text("Loading older videos.")).to_be_visible()
    faults = judge_every_view(page, "history-loading")
    held[0].abort()
    expect(page.get_by_text("They could not be loaded.")).to_be_visible()
    faults += judge_every_view(page, "history-broken")
    page.unroute("**/history?*before*")
    page.get_by_role("link", name="Older videos").click()
    expect(page.locator("[data-ledger] [data-job]")).to_have_count(5)
    assert faults == []
