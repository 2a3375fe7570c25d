"""What a browser sees of the running stack's pages: first paint, bytes, shifts. Needs Chromium and bin/dev."""

import json
import os
import shutil
import urllib.request
from typing import Any, Final

from bench import idle

_PAGES: Final = {
    "studio": "/",
    "history": "/history",
    "usage": "/usage",
    "notifications": "/notifications",
    "what we sent you": "/notifications/sent",
    "preferences": "/notifications/preferences",
    "account": "/account",
    "devices": "/account/devices",
    "push": "/account/push",
    "keys": "/account/keys",
    "webhooks": "/account/webhooks",
}
_OF_STAFF: Final = {
    "console": "/console/",
    "console, pool": "/console/pools/preview",
    "console, capacity": "/console/capacity",
    "console, jobs": "/console/jobs",
    "console, act on many": "/console/operations/new",
    "console, tenants": "/console/tenants",
    "console, dead letters": "/console/dead",
    "console, audit": "/console/audit",
}
_OF_NOBODY: Final = {
    "sign-in": "/sign-in",
    "sign-up": "/sign-up",
    "password forgotten": "/password/forgotten",
}
_TIMES: Final = 3
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
    url = demo["url"]
    account: dict[str, str] = next(one for one in demo["accounts"] if one["tier"] == "pro")
    found: dict[str, float] = {}
    with sync_playwright() as play:
        path = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = play.chromium.launch(executable_path=path)
        for who, addresses in (
            (None, _OF_NOBODY),
            (account, _PAGES | _with_a_batch(url, account["api_key"])),
            (demo["admin"], _OF_STAFF),
        ):
            state = signed_in(browser, url, who) if who else None
            for name, address in addresses.items():
                found |= _look(browser, url, state, name, address)
        browser.close()
    return found


def _with_a_batch(url: str, key: str) -> dict[str, str]:
    """Submit a batch; give the addresses of its page and of a page of one of its jobs."""
    jobs = [{"prompt": f"A lighthouse at blue hour, take {number}"} for number in range(6)]
    request = urllib.request.Request(  # noqa: S310 - the stack's own address
        f"{url}/api/v1/batches",
        data=json.dumps({"jobs": jobs}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        made = json.load(answer)
    job_id = made["results"][0]["job"]["id"]
    return {"batch": f"/batches/{made['id']}", "job": f"/jobs/{job_id}/"}


def signed_in(browser: Any, url: str, account: dict[str, str]) -> Any:
    """Sign in through the page; give what the browser keeps of it."""
    context = browser.new_context(base_url=url)
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("Email").fill(account["email"])
    page.get_by_label("Password").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
    state = context.storage_state()
    context.close()
    return state


def _look(browser: Any, url: str, state: Any, name: str, address: str) -> dict[str, float]:
    seen = [_seen(browser, url, state, address) for _ in range(_TIMES)]
    return {
        # The others were slowed by something else on the machine.
        f"{name}, first paint ms": min(one["paint"] for one in seen),
        f"{name}, kB": max(one["bytes"] for one in seen) / 1_000,
        f"{name}, layout shift": max(one["shifted"] for one in seen),
    }


def _seen(browser: Any, url: str, state: Any, address: str) -> dict[str, float]:
    context = browser.new_context(base_url=url, storage_state=state)
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.goto(address)
    page.wait_for_timeout(1_000)
    found: dict[str, float] = page.evaluate(_READ)
    context.close()
    return found
