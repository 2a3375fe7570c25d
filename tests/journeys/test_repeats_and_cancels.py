"""What a second press costs: one video for the same prompt, a question before a paid cancel, one retry."""

import json
from typing import Any
from urllib.request import Request

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.journeys import client
from tests.stack import RunningStack

pytestmark = pytest.mark.browser
_SOON = 120_000


@pytest.fixture
def studio(context: BrowserContext, running_stack: RunningStack) -> Page:
    """Give the studio of somebody who signed in."""
    page = context.new_page()
    account = running_stack.account("internal")
    page.goto("/")
    page.get_by_label("Email").fill(account["email"])
    page.get_by_label("Password").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="New video")).to_be_visible()
    return page


def _submit(page: Page, prompt: str, *, seconds: int) -> None:
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.get_by_label("Length").select_option(str(seconds))
    page.get_by_role("button", name="Generate").click()


def _submit_and_wait(page: Page, prompt: str, *, seconds: int) -> None:
    _submit(page, prompt, seconds=seconds)
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value("")


def _running(page: Page, prompt: str) -> Locator:
    card = page.locator('[data-list="under-way"] [data-look="running"]', has_text=prompt)
    expect(card).to_be_visible(timeout=_SOON)
    return card


def test_the_same_prompt_again_is_one_video_and_another_take_a_second(studio: Page) -> None:
    prompt = "A heron in the shallows"
    cards = studio.locator("[data-job]", has_text=prompt)
    notice = studio.locator("[data-repeated]")
    _submit_and_wait(studio, prompt, seconds=2)

    _submit(studio, prompt, seconds=2)
    expect(notice).to_contain_text("This is the same video, not a second one.")
    expect(notice.get_by_role("link", name="Open it")).to_have_attribute(
        "href", cards.locator(".prompt a").get_attribute("href") or ""
    )
    expect(cards).to_have_count(1)

    notice.get_by_role("button", name="another take").dblclick()
    expect(cards).to_have_count(2)
    expect(notice).to_be_hidden()
    expect(studio.get_by_role("textbox", name="Prompt")).to_be_focused()

    _submit(studio, prompt, seconds=2)
    expect(notice).to_be_visible()
    studio.get_by_role("textbox", name="Prompt").press_sequentially(" at dawn")
    expect(notice).to_be_hidden()
    expect(cards).to_have_count(2)


def test_a_video_that_is_ready_under_the_question_leaves_nothing_to_cancel(studio: Page) -> None:
    prompt = "Lanterns on a canal"
    _submit_and_wait(studio, prompt, seconds=4)
    _running(studio, prompt).get_by_role("button", name="Cancel · 2 credits").click()
    dialog = studio.locator("#cancel")
    expect(dialog).to_contain_text("charges 2 of 4 credits")

    expect(dialog).to_contain_text("Too late to cancel", timeout=_SOON)

    expect(dialog).to_contain_text("It is ready, and charged once.")
    expect(dialog.locator("[data-confirm]")).to_be_hidden()
    dialog.get_by_role("button", name="Close").click()
    card = studio.locator('[data-list="finished"] [data-job]', has_text=prompt)
    expect(card.locator(".prompt a")).to_be_focused()


def test_a_cancel_that_costs_is_asked_about_and_a_retry_makes_one_new_video(studio: Page) -> None:
    prompt = "Ink in cold water"
    errors: list[str] = []
    studio.on("pageerror", lambda error: errors.append(str(error)))
    _submit_and_wait(studio, prompt, seconds=12)
    card = _running(studio, prompt)
    dialog = studio.get_by_role("dialog", name="Cancel this video?")

    card.locator(".prompt a").focus()
    studio.keyboard.press("c")
    expect(dialog).to_contain_text("charges 5 of 12 credits; the other 7 come back")
    expect(dialog.get_by_role("button", name="Let it finish")).to_be_focused()
    studio.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(card.locator(".prompt a")).to_be_focused()

    card.get_by_role("button", name="Cancel · 5 credits").click()
    dialog.get_by_role("button", name="Cancel for 5 credits").click()
    ended = studio.locator('[data-list="finished"] [data-job]', has_text=prompt)
    expect(ended.locator('[data-state="cancelled"]')).to_be_visible(timeout=_SOON)

    retry = ended.get_by_role("button", name="Retry")
    again = studio.locator('[data-list="under-way"] [data-job]', has_text=prompt)
    retry.dblclick()
    expect(again).to_have_count(1)
    retry.click()
    expect(studio.get_by_text("Already submitted again. It stays one video.")).to_be_visible()
    expect(again).to_have_count(1)
    assert errors == []


def test_what_a_program_deletes_leaves_every_open_page(
    studio: Page, running_stack: RunningStack
) -> None:
    prompt = "Paper boats on a pond"
    history = studio.context.new_page()
    made = _program(running_stack, "POST", "/v1/videos", prompt=prompt, seconds="2")
    address = f"/v1/videos/{made['id']}"
    history.goto("/history")
    shown = [page.locator("[data-job]", has_text=prompt) for page in (studio, history)]
    for rows in shown:
        expect(rows).to_have_count(1)

    assert _program(running_stack, "DELETE", address)["deleted"]
    canceled = studio.locator('[data-list="finished"] [data-job]', has_text=prompt)
    expect(canceled).to_be_visible(timeout=_SOON)
    assert _program(running_stack, "DELETE", address)["deleted"]

    for rows in shown:
        expect(rows).to_have_count(0, timeout=_SOON)


def _program(stack: RunningStack, verb: str, path: str, **body: str) -> Any:
    key = stack.account("internal")["api_key"]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    return client.send(Request(stack.url + path, data=data, headers=headers, method=verb)).json
