"""A browser, and the stack that it visits."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.stack import RunningStack

# What a page is given to show something, milliseconds: a machine that does other things, too, is no fault of it.
_PATIENCE = 20_000


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Give Chromium; skipped, with the reason, where there is none."""
    path = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    if not os.path.exists(path):
        pytest.skip("No Chromium on this machine. Install it, or name it in CHROMIUM.")
    # Playwright keeps an event loop in this thread, until the last journey; the ORM is never used inside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=path,
            args=[
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, running_stack: RunningStack) -> Iterator[BrowserContext]:
    """Give a fresh browser profile, pointed at the stack."""
    context = browser.new_context(base_url=running_stack.url)
    yield context
    context.close()
