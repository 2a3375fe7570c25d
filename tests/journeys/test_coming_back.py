"""A page that was left open while the servers behind it went away and came back empty."""

import time
from typing import Any

import psutil
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.journeys.test_first_video import _api_submit, _call, _sign_in, _wait_for_end
from tests.stack import RunningStack

pytestmark = pytest.mark.browser
_FLUSH = "import redis; from django.conf import settings; redis.Redis.from_url(settings.REDIS_URL).flushall()"


def test_a_page_outlives_a_restart_of_the_servers_and_an_empty_redis(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "enterprise")
    before = _api_submit(running_stack, "enterprise", "Before everything went away", seconds=12)
    row = page.locator("[data-job]", has_text="Before everything went away")
    expect(row).to_have_count(1, timeout=30_000)

    for program in ("push", "web"):
        psutil.Process(running_stack.pid_of(program)).kill()
    running_stack.manage("shell", "-c", _FLUSH)
    _until_it_answers(context, running_stack)
    after = _api_submit(running_stack, "enterprise", "After it came back")
    for job_id in (before, after):
        _wait_for_end(running_stack, "enterprise", job_id)

    for prompt in ("Before everything went away", "After it came back"):
        shown = page.locator('[data-list="finished"] [data-job]', has_text=prompt)
        expect(shown.locator('[data-state="ready"]')).to_be_visible(timeout=30_000)
        expect(page.locator("[data-job]", has_text=prompt)).to_have_count(1)
    expect(page.locator("[data-offline]")).to_be_hidden()


def _until_it_answers(context: BrowserContext, stack: RunningStack) -> None:
    other = context.new_page()
    for _ in range(60):
        try:
            other.goto(f"{stack.url}/health/ready")
        except Exception:  # noqa: BLE001 - nobody listens yet
            other.wait_for_timeout(500)
        else:
            other.close()
            return
    raise AssertionError("the web process did not come back")


def test_who_looks_is_told_by_the_page_alone_and_who_went_away_by_mail(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "internal")
    watched = _api_submit(running_stack, "internal", "Watched to its end")
    # It came over the socket, which has said by then that somebody looks.
    expect(page.locator("[data-job]", has_text="Watched to its end")).to_have_count(
        1, timeout=30_000
    )

    mail = _mail_about(running_stack, watched)
    assert (mail["state"], mail["reason"]) == ("skipped", "You were looking at videogen.")

    page.evaluate(_HIDE)
    left = _api_submit(running_stack, "internal", "Left alone")
    assert _mail_about(running_stack, left)["state"] == "delivered"


# Headless Chromium hides no page, so it is told that it is hidden.
_HIDE = """() => {
    Object.defineProperty(document, "visibilityState", {value: "hidden", configurable: true});
    Object.defineProperty(document, "hidden", {value: true, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def _mail_about(stack: RunningStack, job_id: str) -> dict[str, Any]:
    _wait_for_end(stack, "internal", job_id)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        sent = _call(stack, "internal", "/api/v1/notifications/sent")["deliveries"]
        for one in sent:
            is_about = (one["subject_id"], one["channel"]) == (job_id, "email")
            if is_about and one["ended_at"]:
                found: dict[str, Any] = one
                return found
        time.sleep(0.1)
    raise AssertionError(f"no mail about {job_id} was sent or withheld")
