"""What a browser sees of the running stack's pages: first paint, bytes, shifts. Needs Chromium and bin/dev."""

import json
import os
import shutil
from typing import Any, Final

from bench import idle

_PAGES: Final = {
    "sign-in": "/sign-in",
    "studio": "/",
    "history": "/history",
    "usage": "/usage",
    "notifications": "/notifications",
}
# Shifts are reported by the browser as they happen; this adds them up from the start of the page.
_WATCH: Final = """
window.shifted = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
_READ: Final = """() => ({
    paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
    bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .reduce((sum, entry) => sum + entry.transferSize, 0),
    shifted: window.shifted,
})"""


def measure() -> dict[str, float]:
    """Open each page with an empty cache: FCP in ms, kB transferred, layout shift."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a tool of developers

    demo = json.loads((idle.data_dir() / "demo.json").read_text())
    account: dict[str, str] = next(one for one in demo["accounts"] if one["tier"] == "pro")
    found: dict[str, float] = {}
    with sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=path)
        signed_in = browser.new_context(base_url=demo["url"])
        page = signed_in.new_page()
        page.goto("/sign-in")
        page.get_by_label("Email").fill(account["email"])
        page.get_by_label("Password").fill(account["password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{demo['url']}/")
        state = signed_in.storage_state()
        for name, address in _PAGES.items():
            found |= _look(
                browser, demo["url"], state if name != "sign-in" else None, name, address
            )
        browser.close()
    return found


def _look(browser: Any, url: str, state: Any, name: str, address: str) -> dict[str, float]:
    context = browser.new_context(base_url=url, storage_state=state)
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.goto(address)
    page.wait_for_timeout(1_500)
    seen = page.evaluate(_READ)
    context.close()
    return {
        f"{name}, first paint ms": seen["paint"],
        f"{name}, kB": seen["bytes"] / 1_000,
        f"{name}, layout shift": seen["shifted"],
    }
