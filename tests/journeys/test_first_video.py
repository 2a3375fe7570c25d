"""A prompt typed in a browser becomes a playing video, told by the websocket alone."""

import json
import signal
import time
import urllib.request
from typing import Any

import psutil
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.stack import RunningStack

pytestmark = pytest.mark.browser
_READY = 30_000
_SLOTS = """
from jobs.models import Attempt
print(*Attempt.objects.filter(job_id="{id}").order_by("number").values_list("slot", flat=True))
"""


def _sign_in(page: Page, stack: RunningStack, tier: str) -> None:
    account = stack.account(tier)
    page.goto("/")
    page.get_by_label("Email").fill(account["email"])
    page.get_by_label("Password").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="New video")).to_be_visible()


def _submit(page: Page, prompt: str, *, seconds: int = 4) -> None:
    page.get_by_role("textbox", name="Prompt").fill(prompt)
    page.get_by_label("Length").select_option(str(seconds))
    page.get_by_role("button", name="Generate").click()


def _expect_playing(page: Page, prompt: str) -> None:
    card = page.locator('[data-list="finished"] [data-job]', has_text=prompt)
    expect(card).to_be_visible(timeout=_READY)
    video = card.locator("video")
    deadline = time.monotonic() + 180
    while not video.evaluate("video => video.currentTime > 0.3 && video.videoWidth > 0"):
        assert time.monotonic() < deadline, "the video does not play"
        page.wait_for_timeout(100)


def _errors_of(page: Page) -> list[str]:
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console", lambda message: found.append(message.text) if message.type == "error" else None
    )
    return found


def test_every_process_of_the_stack_runs(running_stack: RunningStack) -> None:
    programs = ("postgres", "valkey", "core", "gpu-worker", "upkeep", "beat", "push", "web")

    assert all(running_stack.pid_of(program) > 0 for program in programs)


def test_a_prompt_becomes_a_playing_video(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    errors = _errors_of(page)
    frames: list[dict[str, Any]] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda text: frames.append(json.loads(text))),
    )
    _sign_in(page, running_stack, "pro")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))

    _submit(page, "A lighthouse at blue hour")
    expect(page.locator('[data-list="under-way"] [data-job]')).to_be_visible()
    _expect_playing(page, "A lighthouse at blue hour")

    percents = [frame["percent"] for frame in frames if frame["type"] == "progress"]
    names = [event["name"] for frame in frames for event in frame.get("events", ())]
    asked = [url for url in requests if url.endswith("/card")]
    assert percents == sorted(percents)
    assert percents
    assert {"job.dispatched", "job.started", "job.succeeded"} <= set(names)
    # One look at the card for an event of the job, and one for its first percentage: more would be
    # polling.
    assert len(asked) <= len(names) + 1
    assert [url for url in requests if url == f"{running_stack.url}/"] == [f"{running_stack.url}/"]
    assert errors == []


def test_an_open_page_asks_for_nothing_while_nothing_happens(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "enterprise")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    # The account may have jobs under way: the page comes to rest when they have ended.
    deadline = time.monotonic() + 90
    asked: list[str] | None = None
    while asked != [] and time.monotonic() < deadline:
        requests.clear()
        # Longer than the five seconds after which an idle subscription could time out.
        page.wait_for_timeout(7_000)
        asked = list(requests)

    _api_submit(running_stack, "enterprise", "Fog in a pine valley")
    _expect_playing(page, "Fog in a pine valley")

    assert asked == []


def test_a_page_whose_socket_was_cut_recovers_by_itself(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "pro")
    _submit(page, "Copper dunes at noon", seconds=12)
    expect(page.locator('[data-list="under-way"] [data-job]')).to_be_visible()

    push = psutil.Process(running_stack.pid_of("push"))
    push.kill()

    _expect_playing(page, "Copper dunes at noon")
    expect(page.locator("[data-offline]")).to_be_hidden()


def test_a_video_that_was_ready_while_the_page_was_offline_is_there_afterwards(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "pro")
    push = psutil.Process(running_stack.pid_of("push"))
    push.suspend()
    try:
        job_id = _api_submit(running_stack, "pro", "A tram in the rain")
        _wait_for_end(running_stack, "pro", job_id)
    finally:
        push.kill()

    card = page.locator('[data-list="finished"] [data-job]', has_text="A tram in the rain")
    expect(card).to_be_visible(timeout=_READY)


def test_a_killed_gpu_worker_delays_a_video_and_loses_nothing(running_stack: RunningStack) -> None:
    job_id = _api_submit(running_stack, "internal", "A storm over the sea", seconds=12)
    _wait_for(running_stack, "internal", job_id, lambda job: job["state"] == "running")

    psutil.Process(running_stack.pid_of("gpu-worker")).send_signal(signal.SIGKILL)

    job = _wait_for_end(running_stack, "internal", job_id)
    assert (job["state"], job["attempt"]) == ("succeeded", 2)
    told = running_stack.manage("shell", "--verbosity=0", "-c", _SLOTS.format(id=job_id))
    first, second = told.split()
    assert first != second
    assert job["credits"]["charged"] == job["credits"]["reserved"]


def test_a_running_video_is_canceled_from_the_page(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "free")
    _submit(page, "A long night over a frozen lake", seconds=12)
    card = page.locator('[data-list="under-way"] [data-job]', has_text="A long night")
    expect(card.locator('[data-state="running"]')).to_be_visible(timeout=_READY)

    card.get_by_role("button", name="Cancel · 5 credits").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel for 5 credits").click()

    ended = page.locator('[data-list="finished"] [data-job]', has_text="A long night")
    expect(ended.locator('[data-state="cancelled"]')).to_be_visible(timeout=_READY)
    expect(ended).to_contain_text("5 credits")


def test_a_fault_is_shown_under_its_field_and_the_prompt_stays(
    context: BrowserContext, running_stack: RunningStack
) -> None:
    page = context.new_page()
    _sign_in(page, running_stack, "pro")

    page.get_by_role("button", name="Generate").click()

    expect(page.locator('[data-fault="prompt"]')).to_contain_text("prompt is empty")


def test_a_wrong_password_says_so(context: BrowserContext, running_stack: RunningStack) -> None:
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Email").fill("nobody@videogen.example")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("do not match")
    expect(page.get_by_label("Email")).to_have_value("nobody@videogen.example")


def _call(stack: RunningStack, tier: str, path: str, body: object = None) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{stack.url}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {stack.account(tier)['api_key']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _api_submit(stack: RunningStack, tier: str, prompt: str, *, seconds: int = 4) -> str:
    body = {"prompt": prompt, "seconds": seconds}
    return str(_call(stack, tier, "/api/v1/jobs", body)["id"])


def _wait_for(stack: RunningStack, tier: str, job_id: str, holds: Any) -> dict[str, Any]:
    deadline = time.monotonic() + 180
    while not holds(job := _call(stack, tier, f"/api/v1/jobs/{job_id}")):
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
    return job


def _wait_for_end(stack: RunningStack, tier: str, job_id: str) -> dict[str, Any]:
    return _wait_for(stack, tier, job_id, lambda job: job["finished_at"] is not None)


def test_metrics_count_the_road(running_stack: RunningStack) -> None:
    job_id = _api_submit(running_stack, "internal", "Counted")
    _wait_for_end(running_stack, "internal", job_id)
    port = int(running_stack.url.rsplit(":", 1)[1]) + 2
    wanted = {
        'videogen_submissions_total{outcome="accepted",tier="internal"}',
        'videogen_grants_total{pool="preview",tier="internal"}',
        'videogen_attempts_total{outcome="succeeded",pool="preview"}',
        'videogen_events_relayed_total{name="job.succeeded"}',
        "videogen_relay_lag_seconds_count",
    }

    # History is read every few seconds.
    deadline = time.monotonic() + 180
    while missing := wanted - _metrics(port):
        assert time.monotonic() < deadline, missing
        time.sleep(0.2)


def _metrics(port: int) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return {line.rpartition(" ")[0] for line in answer.read().decode().splitlines()}
