"""What people do with a batch, with what they want gone, and with a new key."""

import pytest
from playwright.sync_api import Page, expect

from jobs import transitions
from jobs.ids import JobId
from jobs.models import Job, Pool
from notifications import feed
from tests.factories import Person, queued
from tests.journeys import scenes
from tests.journeys.looking import Feed, faults_of, judge_every_view
from tests.journeys.test_page_flows import events_after, page, wire  # noqa: F401 - fixtures
from tests.journeys.test_pages import owner  # noqa: F401 - a fixture
from videogen.accounts import keys

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_batch_is_followed_on_its_page_and_its_failures_are_retried_there(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    wire: Feed,  # noqa: F811
) -> None:
    faults = faults_of(page)
    batch_id = scenes.a_batch(owner)
    running = Job.objects.get(batch_id=batch_id, state="running")
    head = feed.head(owner.id)
    page.goto(f"/batches/{batch_id}")
    summary = page.locator("[data-summary-of-batch]")
    expect(summary).to_contain_text("4 of 6 ready, 1 running, 1 failed")

    video = scenes.a_video(running.prompt, 30)
    transitions.succeed(JobId(running.id), attempt=running.attempt, video=video)
    queued(owner, "Not of the batch")
    wire.push(*events_after(owner, head))
    expect(summary).to_contain_text("5 of 6 ready, 1 failed")
    expect(page.locator('[data-list="finished"] [data-job]')).to_have_count(6)
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(0)

    page.get_by_role("link", name="Retry failed (1)").click()
    page.get_by_role("dialog").get_by_role("button", name="Retry failed (1)").click()
    expect(summary).to_contain_text("5 of 6 ready, 1 waiting")
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(1)
    page.get_by_role("button", name="Cancel · free").click()
    expect(summary).to_contain_text("5 of 6 ready, 1 cancelled")
    assert faults == []


def test_the_studio_has_one_card_and_the_centre_one_line_for_a_batch(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    wire: Feed,  # noqa: F811
) -> None:
    faults = faults_of(page)
    batch_id = scenes.a_batch(owner)
    running = Job.objects.get(batch_id=batch_id, state="running")
    waiting = queued(owner, "Not of the batch")
    scenes.relay_everything()
    head = feed.head(owner.id)
    page.goto("/")
    under_way = page.locator('[data-list="under-way"] [data-job]')
    batch = page.locator("[data-batch]")
    expect(under_way).to_have_count(2)
    expect(batch).to_contain_text("Batch of 6")
    expect(batch).to_contain_text("1 running, 4 ready, 1 failed")
    expect(page.locator('[data-list="finished"] [data-job]')).to_have_count(0)
    faults += judge_every_view(page, "studio-batch")
    wire.say({"type": "progress", "job_id": str(running.id), "percent": 70})
    expect(batch.locator("[data-percent]")).to_have_text("70%")

    video = scenes.a_video(running.prompt, 31)
    transitions.succeed(JobId(running.id), attempt=running.attempt, video=video)
    wire.push(*events_after(owner, head))
    ended = page.locator('[data-list="finished"] [data-batch]')
    expect(ended).to_contain_text("5 ready, 1 failed")
    expect(under_way).to_have_count(1)
    expect(page.locator('[data-list="finished"] [data-job]')).to_have_count(1)
    # Its card says so to who looks at it.
    expect(page.locator(".toast")).to_have_count(0)
    faults += judge_every_view(page, "studio-batch-ended")

    ended.locator(".prompt a").focus()
    page.keyboard.press("r")
    page.get_by_role("dialog").get_by_role("button", name="Retry failed (1)").click()
    expect(page.locator('[data-list="under-way"] [data-batch]')).to_contain_text(
        "1 waiting, 5 ready"
    )
    page.locator("[data-batch] .prompt a").focus()
    page.keyboard.press("c")
    page.get_by_role("dialog").get_by_role("button", name="Cancel waiting (1)").click()
    expect(ended).to_contain_text("5 ready, 1 cancelled")
    expect(under_way.locator(f'a[href="/jobs/{waiting}/"]').first).to_be_attached()

    page.goto("/notifications")
    (line,) = page.locator(".feed li").all()
    expect(line).to_contain_text("Batch of 6 has ended: 5 ready, 1 failed.")
    faults += judge_every_view(page, "notifications-batch")
    line.get_by_role("link", name="Batch of 6").click()
    expect(page.get_by_role("heading", name="Batch of 6")).to_be_visible()
    page.goto("/notifications")
    expect(page.locator(".feed [data-unread]")).to_have_count(0)
    assert faults == []


def test_a_batch_is_one_toast_to_who_looks_elsewhere(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
    wire: Feed,  # noqa: F811
) -> None:
    batch_id = scenes.a_batch(owner)
    running = Job.objects.get(batch_id=batch_id, state="running")
    head = feed.head(owner.id)
    page.goto("/usage")
    expect(page.locator("[data-unread-count]")).to_be_hidden()

    video = scenes.a_video(running.prompt, 32)
    transitions.succeed(JobId(running.id), attempt=running.attempt, video=video)
    wire.push(*events_after(owner, head))

    toast = page.locator(".toast")
    expect(toast).to_contain_text("5 of 6 ready, 1 failed")
    expect(toast).to_have_count(1)
    expect(page.locator("[data-unread-count]")).to_have_text("1")
    toast.get_by_role("link", name="Open it").click()
    expect(page.get_by_role("heading", name="Batch of 6")).to_be_visible()


def test_a_video_is_deleted_where_it_is_seen_after_a_question(
    page: Page,  # noqa: F811
    owner: Person,  # noqa: F811
) -> None:
    Pool.objects.update(slots=0)
    for name in ("Shot one", "Shot two"):
        transitions.cancel(queued(owner, name), owner_id=owner.id)
    finished = page.locator('[data-list="finished"] [data-job]')
    dialog = page.get_by_role("dialog", name="Delete this video?")
    page.goto("/")

    card = finished.filter(has_text="Shot one")
    card.get_by_role("button", name="More actions").click()
    card.get_by_role("link", name="Delete").click()
    expect(dialog).to_contain_text("cannot be brought back")
    dialog.get_by_role("button", name="Keep it").click()
    expect(finished).to_have_count(2)
    card.get_by_role("button", name="More actions").click()
    card.get_by_role("link", name="Delete").click()
    dialog.get_by_role("button", name="Delete it").click()
    expect(finished).to_have_count(1)

    page.get_by_role("link", name="Shot two").click()
    page.get_by_role("link", name="Delete").click()
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("Nothing here yet today")).to_be_visible()
    assert Job.objects.filter(hidden_at=None).count() == 0


def test_a_new_key_is_copied_whole(page: Page, owner: Person) -> None:  # noqa: F811
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/account/keys")
    page.get_by_role("textbox", name="Name").fill("render farm")
    page.get_by_role("button", name="Make the key").click()

    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")

    assert keys.access_of(copied)
    assert copied == page.locator("#secret").inner_text()


def test_takes_are_chosen_priced_and_shown_as_one(page: Page, owner: Person) -> None:  # noqa: F811
    faults = faults_of(page)
    Pool.objects.update(slots=0)
    page.goto("/")

    page.get_by_label("Takes").select_option("3")
    expect(page.locator("[data-cost]")).to_have_text("12 credits")
    page.get_by_role("textbox", name="Prompt").fill("A paper boat in the gutter")
    page.keyboard.press("Control+Enter")
    row = page.locator('[data-list="under-way"] [data-job]')
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Batch of 3")
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("")
    expect(page.locator("[data-cost]")).to_have_text("4 credits")
    page.get_by_role("link", name="Cancel waiting (3)").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel waiting (3)").click()

    expect(page.locator('[data-list="finished"] [data-job]')).to_contain_text("3 cancelled")
    assert Job.objects.filter(owner_id=owner.id).count() == 3
    assert faults == []
