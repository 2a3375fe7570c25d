"""Every page that shows what goes on, left open for minutes without a connection, and out of sight."""

import pytest
from playwright.sync_api import Page, expect

from jobs import transitions
from jobs.ids import JobId
from jobs.models import Job, Pool
from jobs.web import fragments
from notifications import feed
from scheduler import dispatch
from tests.factories import VIDEO, Person, queued
from tests.journeys import scenes
from tests.journeys.looking import Feed
from tests.journeys.test_coming_back import _HIDE
from tests.journeys.test_page_flows import events_after, page, wire  # noqa: F401 - fixtures
from tests.journeys.test_pages import owner  # noqa: F401 - a fixture

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

_COUNT = 5
_SHOW = """() => {
    Object.defineProperty(document, "visibilityState", {value: "visible", configurable: true});
    Object.defineProperty(document, "hidden", {value: false, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def _begun(owner: Person, count: int) -> list[JobId]:  # noqa: F811 - the fixture is not called
    Pool.objects.update(slots=count)
    jobs = [queued(owner, f"Shot {number}") for number in range(count)]
    while dispatch.grant_free_slots():
        pass
    for job in Job.objects.filter(id__in=jobs):
        transitions.start(JobId(job.id), attempt=job.attempt)
    scenes.relay_everything()
    return jobs


def _end(job_id: JobId) -> None:
    transitions.succeed(job_id, attempt=Job.objects.get(id=job_id).attempt, video=VIDEO)


@pytest.mark.parametrize(
    ("address", "before", "after"),
    [
        ("/history", '[data-look="running"]', '[data-ledger] [data-look="ready"]'),
        ("/notifications", ".feed [data-unread]", ".feed [data-unread]"),
        ("/jobs/{job}/", '[data-page-job][data-look="running"]', '[data-page-job][data-look="ready"]'),
    ],
)  # fmt: skip
def test_any_page_left_open_shows_the_truth_three_seconds_after_it_comes_back(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    wire: Feed,  # noqa: F811
    address: str,
    before: str,
    after: str,
) -> None:
    jobs = _begun(owner, _COUNT)
    head = feed.head(owner.id)
    shown = {"/history": _COUNT, "/notifications": 0}.get(address, 1)
    page.clock.install()
    page.goto(address.format(job=jobs[0]))
    expect(page.locator(before)).to_have_count(shown)

    wire.cut()
    page.clock.run_for(5_000)
    expect(page.locator("[data-offline]")).to_contain_text("what was true at")
    for job_id in jobs:
        _end(job_id)
    wire.keep(*events_after(owner, head))
    page.clock.run_for(300_000)
    wire.mend()

    page.clock.run_for(3_000)
    expect(page.locator("[data-offline]")).to_be_hidden()
    expect(page.locator(after)).to_have_count(shown or _COUNT)
    # The page of a video that is looked at tells of it.
    unread = _COUNT - ("/jobs/" in address)
    expect(page.locator("[data-unread-count]")).to_have_text(str(unread))


def test_the_title_and_the_icon_count_what_ended_while_nobody_looked(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    wire: Feed,  # noqa: F811
) -> None:
    jobs = _begun(owner, 3)
    head = feed.head(owner.id)
    page.goto("/")
    expect(page).to_have_title("Studio · videogen")
    icon = page.locator('link[rel="icon"]')
    plain = icon.get_attribute("href")

    page.evaluate(_HIDE)
    for job_id in jobs[:2]:
        _end(job_id)
    wire.push(*events_after(owner, head))
    expect(page).to_have_title("(2) Studio · videogen")
    assert "%3E2%3C%2Ftext" in str(icon.get_attribute("href"))
    page.evaluate(_SHOW)

    expect(page).to_have_title("Studio · videogen")
    assert str(icon.get_attribute("href")).endswith(str(plain))


def test_a_page_that_stays_open_all_day_keeps_no_more_than_one_loaded_now(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    wire: Feed,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fragments, "FINISHED_SHOWN", 3)
    jobs = _begun(owner, 5)
    page.goto("/")

    for number, job_id in enumerate(jobs, start=1):
        head = feed.head(owner.id)
        _end(job_id)
        wire.push(*events_after(owner, head))
        finished = page.locator('[data-list="finished"] [data-job]')
        expect(finished).to_have_count(min(number, 3))
        expect(finished.first).to_contain_text(f"Shot {number - 1}")
    expect(page.locator("[data-tally]")).to_contain_text("5 ready")


def test_what_runs_is_shown_however_much_waits_behind_it_and_the_rest_is_counted(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fragments, "READ", 3)
    monkeypatch.setattr(fragments, "LIVE_SHOWN", 4)
    _begun(owner, 2)
    for number in range(6):
        queued(owner, f"Later {number}")

    page.goto("/")

    under_way = page.locator('[data-list="under-way"] [data-job]')
    expect(under_way).to_have_count(6)
    assert [row.get_attribute("data-look") for row in under_way.all()] == ["running"] * 2 + [
        "waiting"
    ] * 4
    page.get_by_role("link", name="2 more under way").click()
    expect(page.locator("[data-ledger] [data-job]")).to_have_count(8)
