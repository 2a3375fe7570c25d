"""The composer and what waits: an image to begin from, other words before it starts, and a real shortage of GPUs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs import pools
from jobs.models import Job, Pool
from scheduler import dispatch
from tests.factories import Person, published, queued
from tests.jobs.test_web_of_images import a_picture
from tests.journeys import scenes
from tests.journeys.looking import Feed, faults_of, judge_every_view, reader
from tests.journeys.test_pages import owner, session_of  # noqa: F401 - a fixture

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]

_DROP = """(form) => {
    const [picture] = form.elements.input_reference.files;
    const data = new DataTransfer();
    data.items.add(new File([picture], "dropped.png", {type: "image/png"}));
    for (const kind of ["dragover", "drop"])
        form.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
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


def _png(name: str = "harbour.png") -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": a_picture()}


def test_an_image_is_chosen_shown_dropped_removed_and_sent(page: Page) -> None:
    Pool.objects.update(slots=0)
    faults = faults_of(page)
    page.goto("/")
    field = page.locator("#input_reference")
    shown = page.locator("[data-image-shown]")
    said = page.locator("[data-image-name]")

    field.set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    expect(page.get_by_text("Choose a JPEG, PNG or WebP image.")).to_be_visible()
    field.set_input_files(_png())
    expect(said).to_contain_text("harbour.png")
    expect(page.locator("[data-summary]")).to_contain_text("image")
    expect(page.get_by_text("Choose a JPEG, PNG or WebP image.")).to_be_hidden()
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    found = judge_every_view(page, "studio-image")
    page.get_by_role("button", name="Remove the image").click()
    expect(shown).to_be_hidden()
    assert field.evaluate("field => field.files.length") == 0

    field.set_input_files(_png())
    page.locator("#composer").evaluate(_DROP)
    expect(said).to_contain_text("dropped.png")
    field.set_input_files(_png())
    page.get_by_role("textbox", name="Prompt").fill("The harbour wakes")
    page.get_by_role("button", name="Generate").click()
    card = page.locator('[data-list="under-way"] [data-job]', has_text="The harbour wakes")
    expect(card).to_be_visible()
    expect(shown).to_be_hidden()

    # The next one may begin from it too.
    card.get_by_role("button", name="More actions").click()
    card.get_by_role("link", name="Use this prompt").click()
    expect(said).to_have_text("The image of that video")
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator('[data-list="under-way"] [data-job]')).to_have_count(2)
    card.get_by_role("link", name="The harbour wakes").first.click()
    expect(page.get_by_role("img", name="The image that this video begins from")).to_be_visible()
    found += judge_every_view(page, "job-from-an-image")

    assert len({bytes(job.image_digest or b"") for job in Job.objects.all()} - {b""}) == 1
    assert Job.objects.filter(image_digest__isnull=False).count() == 2
    assert found + faults == []


def test_an_image_is_sent_without_scripts(
    browser: Browser,
    live_server: LiveServer,
    owner: Person,  # noqa: F811
    tmp_path: Path,
) -> None:
    Pool.objects.update(slots=0)
    picture = tmp_path / "harbour.png"
    picture.write_bytes(a_picture())
    with reader(
        browser, url=live_server.url, session=session_of(owner), java_script_enabled=False
    ) as page:
        page.goto("/")
        page.get_by_role("textbox", name="Prompt").fill("The harbour wakes")
        page.get_by_label("Begins from").set_input_files(picture)
        page.get_by_role("button", name="Generate").click()
        page.locator('[data-list="under-way"] [data-job]').wait_for()
        page.get_by_role("link", name="Edit before it starts").click()
        page.get_by_role("textbox", name="Prompt").fill("The harbour sleeps")
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", name="The harbour sleeps")).to_be_visible()

    assert Job.objects.get().image_digest is not None


def test_words_are_edited_before_it_starts_and_not_after(
    page: Page,
    owner: Person,  # noqa: F811
) -> None:
    faults = faults_of(page)
    Pool.objects.update(slots=0)
    queued(owner, "First in line")
    job_id = queued(owner, "Second in line")
    page.goto("/")
    card = page.locator(f'[data-job="{job_id}"]')
    dialog = page.get_by_role("dialog", name="Edit before it starts")

    card.get_by_role("link", name="Edit before it starts").click()
    words = dialog.get_by_role("textbox", name="Prompt")
    expect(words).to_have_value("Second in line")
    words.fill(" ")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("Describe the video: prompt is empty.")).to_be_visible()
    found = judge_every_view(page, "dialog-edit-fault")
    words.fill("Second, in other words")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_text("Saved. It keeps its place in line.")).to_be_visible()
    expect(card).to_contain_text("Second, in other words")
    expect(card.get_by_role("link", name="Edit before it starts")).to_be_focused()

    page.keyboard.press("e")
    words.fill("Too late")
    Pool.objects.update(slots=4)
    dispatch.grant_free_slots()
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("It has started with the words that it had.")
    dialog.get_by_role("button", name="Close").click()

    assert Job.objects.get(id=job_id).prompt == "Second, in other words"
    assert found == []
    # The browser itself says how each was answered.
    assert [fault for fault in faults if "status of" not in fault] == []


def test_a_shortage_of_gpus_is_told_in_plain_words_on_every_page(
    page: Page,
    owner: Person,  # noqa: F811
) -> None:
    scenes.a_full_day(owner)
    Pool.objects.update(slots=8)
    for number in range(6):
        queued(owner, f"Paper lanterns over a canal, take {number + 1}")
    pools.set_capacity({"preview": 4}, actor="ops", reason="A rack is moved.")
    published()
    page.goto("/")

    notice = page.locator("[data-notice]")
    expect(notice).to_contain_text("Fewer GPUs since")
    expect(notice).to_contain_text("We run 4 of 8.")
    expect(notice).to_contain_text("Nothing you submitted is lost, and waiting is free.")
    found = judge_every_view(page, "studio-capacity")
    # A picture is fetched when it is about to be seen.
    still = page.locator('[data-list="finished"] img[data-still]').last
    assert still.get_attribute("src") is None
    page.locator('[data-list="finished"] .frame').last.scroll_into_view_if_needed()
    expect(still).to_have_js_property("naturalWidth", 640)
    page.goto("/history")
    expect(notice).to_contain_text("Fewer GPUs since")

    assert found == []
