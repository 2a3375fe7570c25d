"""Looking at a page as its readers do: in both themes, on a phone, with a keyboard, and with axe."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, ViewportSize, WebSocketRoute

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

_PHONE: ViewportSize = {"width": 390, "height": 844}
_DESK: ViewportSize = {"width": 1280, "height": 900}
VIEWS = {
    "light-desktop": (_DESK, "light"),
    "dark-desktop": (_DESK, "dark"),
    "light-phone": (_PHONE, "light"),
}


class Feed:
    """The other end of a page's socket: says what the relay would say, and can be cut, or fall silent."""

    def __init__(self) -> None:
        self._open: list[WebSocketRoute] = []
        self._told: list[dict[str, Any]] = []
        self.is_cut = False

    def route(self, page: Page) -> None:
        self._page = page
        page.route_web_socket("**/ws/feed", self._connected)

    def push(self, *events: dict[str, Any]) -> None:
        """Tell of events now."""
        self.keep(*events)
        self.say({"type": "events", "events": list(events), "more": False})

    def keep(self, *events: dict[str, Any]) -> None:
        """Tell of events to whoever asks for what was missed."""
        self._told += events

    def say(self, message: dict[str, Any]) -> None:
        deadline = time.monotonic() + 20
        while not self._open:
            assert time.monotonic() < deadline, "no page listens"
            self._page.wait_for_timeout(20)
        for socket in self._open:
            socket.send(json.dumps(message))

    def cut(self) -> None:
        self.is_cut = True
        for socket in self._open:
            socket.close()
        self._open.clear()

    def mend(self) -> None:
        self.is_cut = False

    def forget(self) -> None:
        """Leave every open connection unanswered and unclosed, as a network does that forgot it."""
        self._open.clear()

    def _connected(self, socket: WebSocketRoute) -> None:
        socket.on_message(lambda text: self._asked(socket, json.loads(text)))
        if self.is_cut:
            socket.close()
        else:
            self._open.append(socket)

    def _asked(self, socket: WebSocketRoute, message: dict[str, Any]) -> None:
        if socket in self._open and message["type"] == "catch_up":
            events = [one for one in self._told if one["sequence"] > message["after"]]
            socket.send(json.dumps({"type": "events", "events": events, "more": False}))


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
def reader(
    browser: Browser, *, url: str, session: dict[str, str] | None, **more: Any
) -> Iterator[Page]:
    """Open a page for a reader; `session` is the cookie of who has signed in."""
    # Without motion: colours on their way from one theme to the other are nobody's.
    context = browser.new_context(base_url=url, viewport=_DESK, reduced_motion="reduce", **more)
    if session:
        context.add_cookies([{"url": url, **session}])  # type: ignore[typeddict-item]  # a plain cookie
    page = context.new_page()
    yield page
    context.close()


def judge_every_view(page: Page, name: str) -> list[str]:
    """Take pictures, and say what axe finds and where the page scrolls sideways, in every view."""
    arm(page)
    found: list[str] = []
    for view, (viewport, theme) in VIEWS.items():
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a literal of two
        page.set_viewport_size(viewport)
        found += judge(page, f"{name}-{view}")
    page.set_viewport_size(_DESK)
    return found


def arm(page: Page) -> None:
    """Put axe on the page, once its letters are there."""
    page.evaluate("document.fonts.ready")
    page.evaluate(_AXE.read_text())


def judge(page: Page, name: str) -> list[str]:
    """Take a picture, and say what axe (it is on the page) finds and whether it scrolls sideways."""
    page.screenshot(path=SHOTS / f"{name}.png")
    found = [f"{name}: {fault}" for fault in page.evaluate(_RUN_AXE)]
    if page.evaluate(_SIDEWAYS) > 0:
        found.append(f"{name} scrolls sideways")
    return found
