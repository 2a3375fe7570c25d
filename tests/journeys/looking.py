"""Looking at a page as its readers do: in both themes, on a phone, with a keyboard, and with axe."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, WebSocketRoute

_HERE = Path(__file__).parent
# Where pictures of the pages are put, to be looked at; git ignores it.
SHOTS = _HERE.parent.parent / "shots"
_AXE = _HERE / "vendor" / "axe-4.14.1.min.js"
_RUN_AXE = """async () => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.map((one) =>
        `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}"""
_SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

VIEWS: dict[str, dict[str, Any]] = {
    "light-desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark-desktop": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "light-phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "has_touch": True,
        "is_mobile": True,
    },
    "dark-phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "dark",
        "has_touch": True,
        "is_mobile": True,
    },
}


class Feed:
    """The other end of a page's socket: says what the relay would say, and can be cut."""

    def __init__(self) -> None:
        self._open: list[WebSocketRoute] = []
        self.is_cut = False

    def route(self, page: Page) -> None:
        page.route_web_socket("**/ws/feed", self._connected)

    def push(self, *events: dict[str, Any]) -> None:
        for socket in self._open:
            socket.send(_text({"type": "events", "events": list(events), "more": False}))

    def cut(self) -> None:
        self.is_cut = True
        for socket in self._open:
            socket.close()
        self._open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def _connected(self, socket: WebSocketRoute) -> None:
        socket.on_message(lambda _: None)
        if self.is_cut:
            socket.close()
        else:
            self._open.append(socket)


def faults_of(page: Page) -> list[str]:
    """Collect what a page complains of: scripts that broke, and lines on its console."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on(
        "console",
        lambda line: found.append(line.text) if line.type in {"error", "warning"} else None,
    )
    return found


@contextmanager
def view(
    browser: Browser, name: str, *, url: str, session: dict[str, str] | None, **more: Any
) -> Iterator[Page]:
    """Open a page as one kind of reader sees it; `session` is the cookie of who has signed in."""
    context = browser.new_context(base_url=url, **VIEWS[name], **more)
    if session:
        context.add_cookies([{"url": url, **session}])  # type: ignore[typeddict-item]  # a plain cookie
    page = context.new_page()
    Feed().route(page)
    yield page
    context.close()


def judge(page: Page, name: str) -> list[str]:
    """Take a picture, and say what axe finds and whether the page scrolls sideways."""
    page.evaluate("document.fonts.ready")
    page.screenshot(path=SHOTS / f"{name}.png")
    page.evaluate(_AXE.read_text())
    found = [f"{name}: {fault}" for fault in page.evaluate(_RUN_AXE)]
    if page.evaluate(_SIDEWAYS) > 0:
        found.append(f"{name} scrolls sideways")
    return found


def _text(message: dict[str, Any]) -> str:
    import json

    return json.dumps(message)
