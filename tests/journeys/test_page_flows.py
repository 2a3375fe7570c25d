"""What people do on the pages: find, repeat, cancel many, read notices, come back after a while."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db.models import F
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs import history, transitions
from jobs.ids import JobId
from jobs.models import Job, Pool, Tier
from jobs.web import fragments
from notifications import feed
from notifications.models import Notification
from scheduler import dispatch
from tests.factories import VIDEO, Person, queued
from tests.journeys import scenes
from tests.journeys.looking import SHOTS, Feed, faults_of, judge_every_view, reader
from tests.journeys.test_pages import owner, session_of  # noqa: F401 - a fixture

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def wire() -> Feed:
    return Feed()


@pytest.fixture
def page(
    browser: Browser,
    live_server: LiveServer,
    owner: Person,  # noqa: F811 - the fixture above
    wire: Feed,
) -> Iterator[Page]:
    with reader(browser, url=live_server.url, session=session_of(owner)) as page:
        wire.route(page)
        yield page


def events_after(owner: Person, sequence: int) -> list[dict[str, object]]:  # noqa: F811
    scenes.relay_everything()
    return feed.after(owner.id, sequence=sequence)[0]


def _finish(job_id: JobId) -> None:
    job = Job.objects.get(id=job_id)
    transitions.start(job_id, attempt=job.attempt)
    transitions.succeed(job_id, attempt=job.attempt, video=VIDEO)


def test_the_keyboard_walks_opens_cancels_and_helps(page: Page, owner: Person) -> None:  # noqa: F811
    faults = faults_of(page)
    Pool.objects.update(slots=0)
    first, second = queued(owner, "First in line"), queued(owner, "Second in line")
    page.goto("/")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    expect(page.get_by_role("textbox", name="Prompt")).to_be_focused()
    page.keyboard.type("jk?c")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("jk?c")
    page.get_by_role("textbox", name="Prompt").blur()

    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Second in line")).to_be_focused()
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="First in line")).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("c")
    ended = page.locator('[data-list="finished"] [data-job]', has_text="Second in line")
    expect(ended).to_contain_text("Cancelled")

    ended.locator(".prompt a").focus()
    page.keyboard.press("r")
    expect(
        page.locator('[data-list="under-way"] [data-job]', has_text="Second in line")
    ).to_be_visible()
    page.get_by_role("link", name="First in line").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="First in line")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    assert {first, second} <= set(Job.objects.values_list("id", flat=True))
    assert faults == []


def test_the_history_is_filtered_by_its_address_and_loads_as_one_scrolls(
    page: Page,
    owner: Person,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = faults_of(page)
    monkeypatch.setattr(history, "PAGE", 5)
    Pool.objects.update(slots=0)
    for number in range(12):
        job_id = queued(owner, f"Shot number {number:02}")
        Job.objects.filter(id=job_id).update(
            created_at=F("created_at") - timedelta(hours=5 * number)
        )
    transitions.cancel(job_id, owner_id=owner.id)
    rows = page.locator("[data-ledger] [data-job]")

    page.goto("/history")
    page.mouse.wheel(0, 5_000)
    expect(rows).to_have_count(12)
    prompts = rows.locator(".prompt").all_inner_texts()
    assert [text.strip() for text in prompts] == [
        f"Shot number {number:02}" for number in range(12)
    ]
    headings = page.locator(".day h2").all_inner_texts()
    assert len(headings) == len(set(headings))

    page.get_by_label("Cancelled").check()
    page.get_by_role("button", name="Apply").click()
    expect(page).to_have_url(
        "**/history?q=&state=cancelled&model=".replace("**", page.url.split("/history")[0])
    )
    expect(rows).to_have_count(1)
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Clear filters").click()
    page.get_by_role("searchbox").fill("number 07")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    page.get_by_role("searchbox").fill("100% no such")
    page.keyboard.press("Enter")
    expect(page.get_by_text("with “100% no such” in its prompt")).to_be_visible()
    page.get_by_role("searchbox").fill(str(job_id))
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    assert faults == []


def test_cancelling_all_that_waits_asks_with_its_count_and_tells_what_came_of_it(
    page: Page,
    owner: Person,  # noqa: F811
) -> None:
    Pool.objects.update(slots=0)
    for number in range(3):
        queued(owner, f"Shot {number}")
    page.goto("/")

    page.get_by_role("link", name="Cancel waiting (3)").click()
    dialog = page.get_by_role("dialog", name="Cancel 3 videos that wait?")
    expect(dialog).to_contain_text("It is free")
    page.screenshot(path=SHOTS / "studio-cancel-waiting-light-desktop.png")
    dialog.get_by_role("button", name="Keep them").click()
    assert Job.objects.filter(state="queued").count() == 3
    page.get_by_role("link", name="Cancel waiting (3)").click()
    dialog.get_by_role("button", name="Cancel waiting (3)").click()

    toast = page.locator(".toast", has_text="3 videos cancelled, free.")
    expect(toast).to_be_visible()
    expect(page.locator('[data-list="finished"] [data-job]')).to_have_count(3)
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(0)
    expect(page.get_by_role("link", name="Cancel waiting")).to_have_count(0)
    page.screenshot(path=SHOTS / "studio-undo-light-desktop.png")
    toast.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("3 videos are back in line, at its end.")).to_be_visible()
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(3)


def test_notices_are_counted_live_and_read_one_by_one_or_all_at_once(
    page: Page,
    owner: Person,  # noqa: F811
    wire: Feed,
) -> None:
    Pool.objects.update(slots=3)
    jobs = [queued(owner, f"Shot {number}") for number in range(3)]
    while dispatch.grant_free_slots():
        pass
    before = events_after(owner, 0)[-1]["sequence"]
    page.goto("/history")
    badge = page.locator("[data-unread-count]")
    expect(badge).to_be_hidden()

    for job_id in jobs:
        _finish(job_id)
    wire.push(*events_after(owner, int(str(before))))
    expect(badge).to_have_text("3")
    expect(page.locator("[data-ledger] [data-look=ready]")).to_have_count(3)

    page.get_by_role("link", name="Notifications").click()
    expect(page.locator(".feed [data-unread]")).to_have_count(3)
    page.get_by_role("button", name="Mark as read", exact=True).first.click()
    expect(badge).to_have_text("2")
    # Who opens the video has read of it.
    page.get_by_role("link", name="Shot 1").click()
    expect(badge).to_have_text("1")
    page.goto("/notifications")
    expect(badge).to_have_text("1")
    page.get_by_role("button", name="Mark all as read").click()
    expect(badge).to_be_hidden()
    assert not Notification.objects.filter(read_at=None).exists()


@pytest.mark.parametrize("how", ["cut", "asleep"])
def test_a_page_left_open_shows_the_truth_three_seconds_after_it_comes_back(
    page: Page,
    owner: Person,  # noqa: F811
    wire: Feed,
    how: str,
) -> None:
    count = 200 if how == "cut" else 30
    Pool.objects.update(slots=count)
    Tier.objects.update(running_limit=None, queued_limit=None)
    jobs = [queued(owner, f"Shot {number:03}") for number in range(count)]
    while dispatch.grant_free_slots():
        pass
    scenes.relay_everything()
    head = feed.head(owner.id)
    page.clock.install()
    page.goto("/")
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(count)
    expect(page.locator("[data-offline]")).to_be_hidden()

    if how == "cut":
        wire.cut()
        page.clock.run_for(5_000)
        expect(page.locator("[data-offline]")).to_contain_text("what was true at")
        assert page.evaluate("'stale' in document.body.dataset")
        assert judge_every_view(page, "studio-offline") == []
    else:
        # Nobody says that the connection is gone: the page has to find out by itself.
        wire.forget()
    for job_id in jobs:
        _finish(job_id)
    wire.keep(*events_after(owner, head))
    if how == "cut":
        page.clock.run_for(300_000)
        wire.mend()
    else:
        page.clock.fast_forward(300_000)

    page.clock.run_for(3_000)
    expect(page.locator("[data-offline]")).to_be_hidden()
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(0)
    shown = page.locator('[data-list="finished"] [data-job]')
    ids = shown.evaluate_all("cards => cards.map(card => card.dataset.job)")
    assert len(ids) == len(set(ids)) == fragments.FINISHED_SHOWN
    expect(page.locator("[data-tally]")).to_contain_text(f"{count} ready")
    expect(page.locator("[data-unread-count]")).to_have_text("99+" if count > 99 else str(count))


def test_what_could_not_be_read_is_asked_for_again(
    page: Page,
    owner: Person,  # noqa: F811
    wire: Feed,
) -> None:
    job_id = queued(owner, "Read at the second try")
    dispatch.grant_free_slots()
    scenes.relay_everything()
    head = feed.head(owner.id)
    page.goto("/")
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(1)

    page.route("**/jobs/*/card", lambda route: route.abort())
    _finish(job_id)
    with page.expect_event("requestfailed"):
        wire.push(*events_after(owner, head))
    page.unroute("**/jobs/*/card")

    ended = page.locator('[data-list="finished"] [data-job]', has_text="Read at the second try")
    expect(ended).to_contain_text("Ready")


def test_the_essentials_work_without_javascript(
    browser: Browser,
    live_server: LiveServer,
    owner: Person,  # noqa: F811
) -> None:
    Pool.objects.update(slots=0)
    with reader(
        browser, url=live_server.url, session=session_of(owner), java_script_enabled=False
    ) as page:
        page.goto("/")
        page.get_by_role("textbox", name="Prompt").fill("Made without a script")
        page.get_by_role("button", name="Generate").click()
        card = page.locator('[data-list="under-way"] [data-job]', has_text="Made without a script")
        expect(card).to_be_visible()
        card.get_by_role("button", name="Cancel · free").click()
        expect(page.locator('[data-list="finished"] [data-job]')).to_contain_text("Cancelled")

        page.get_by_role("link", name="History").click()
        expect(page.locator("[data-ledger] [data-job]")).to_have_count(1)
        queued(owner, "To be cancelled with the others")
        page.goto("/")
        page.get_by_role("link", name="Cancel waiting (1)").click()
        page.get_by_role("button", name="Cancel waiting (1)").click()
        expect(page.get_by_text("1 video cancelled, free.")).to_be_visible()


def test_a_prompt_and_its_settings_are_taken_over(page: Page, owner: Person) -> None:  # noqa: F811
    found = scenes.a_full_day(owner)
    Job.objects.filter(id=found["ready"]).update(seed=7310, seconds=2)
    faults = faults_of(page)

    page.goto(f"/jobs/{found['ready']}/")
    page.get_by_role("link", name="Use this prompt").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(scenes.READY[-1])
    expect(page.get_by_label("Seed")).to_have_value("7310")
    expect(page.get_by_label("Length")).to_have_value("2")
    page.goto(f"/jobs/{found['ready']}/")
    page.get_by_role("link", name="Variation").click()
    expect(page.get_by_label("Seed")).to_have_value("")

    card = page.locator('[data-list="finished"] [data-job]', has_text=scenes.READY[-1])
    card.get_by_role("button", name="More actions").click()
    card.get_by_role("link", name="Variation").click()
    expect(page.get_by_label("Seed")).to_have_value("")
    card.get_by_role("link", name="Use this prompt").click()
    expect(page.get_by_label("Seed")).to_have_value("7310")
    # Nothing that a person typed ran or became markup.
    assert page.locator("img[src=x]").count() == 0
    assert faults == []
