"""Pushes in a real browser: shown once, replaced by newer ones, not shown to somebody who looks, and opened by a click.

Push services cannot be reached from here, so what one would deliver is handed to the service worker by the browser's
own debugging protocol. A click that Chromium makes itself cannot be made there: the event is played in the worker.
"""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, Worker, expect
from pytest_django.live_server_helper import LiveServer

from notifications import push_text, vapid
from notifications.channels import web_push
from notifications.models import PushSubscription
from tests.factories import Person
from tests.journeys.looking import Feed, faults_of, judge_every_view, reader
from tests.journeys.test_pages import owner, session_of  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
Deliver = Callable[[str, str], None]

_REGISTER = """async () => {
    const registration = await navigator.serviceWorker.register("/static/js/service-worker.js");
    const worker = registration.installing ?? registration.active;
    while (worker.state !== "activated") await new Promise((next) => setTimeout(next, 20));
}"""
_SHOWN = """async () => (await self.registration.getNotifications())
    .map(({ title, body, tag, data }) => ({ title, body, tag, id: data.id }))"""
# Windows may be focused and opened only after a real click: what the worker asks for is written down instead.
_CLICK = """async () => {
    const asked = [];
    WindowClient.prototype.focus = async function () { asked.push(`focus ${new URL(this.url).pathname}`); };
    self.clients.openWindow = async (url) => { asked.push(`open ${new URL(url).pathname}`); };
    const [notification] = await self.registration.getNotifications();
    const event = new NotificationEvent("notificationclick", { notification });
    const done = [];
    event.waitUntil = (work) => done.push(work);
    self.dispatchEvent(event);
    await Promise.all(done);
    return [...asked, `left ${(await self.registration.getNotifications()).length}`];
}"""


@pytest.fixture
def page(
    browser: Browser,
    live_server: LiveServer,
    settings: Any,
    owner: Person,  # noqa: F811 - the fixture above
) -> Iterator[Page]:
    settings.VAPID_PRIVATE_KEY = vapid.new_private_key()
    # A notice leads to where browsers reach us.
    settings.PUBLIC_URL = live_server.url
    with reader(browser, url=live_server.url, session=session_of(owner)) as page:
        page.context.grant_permissions(["notifications"], origin=live_server.url)
        Feed().route(page)
        yield page


@pytest.fixture
def worker(page: Page) -> Worker:
    page.goto("/account/push")
    with page.context.expect_event("serviceworker") as found:
        page.evaluate(_REGISTER)
    made: Worker = found.value
    return made


@pytest.fixture
def deliver(page: Page, worker: Worker, live_server: LiveServer) -> Deliver:
    """Give what hands a push to the worker, as a push service does once it is opened."""
    session = page.context.new_cdp_session(page)
    known: list[str] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda told: known.extend(one["registrationId"] for one in told["registrations"]),
    )
    session.send("ServiceWorker.enable")
    while not known:
        page.wait_for_timeout(20)

    def run(message_id: str, tag: str) -> None:
        words = push_text.Words(
            title="A video is ready",
            line=f"Ready: {message_id}",
            url=f"{live_server.url}/usage",
            tag=tag,
        )
        session.send(
            "ServiceWorker.deliverPushMessage",
            {
                "origin": live_server.url,
                "registrationId": known[-1],
                "data": web_push.content(message_id, words).decode(),
            },
        )
        _until_heard(worker, message_id)

    return run


def _until_heard(worker: Worker, message_id: str) -> None:
    worker.evaluate(
        """async (id) => {
            for (let tries = 0; tries < 200; tries += 1) {
                const seen = await caches.open("videogen-push-seen");
                if (await seen.match(`/pushes/${id}`)) return;
                await new Promise((next) => setTimeout(next, 20));
            }
            throw new Error("It was not heard.");
        }""",
        message_id,
    )


def test_pushes_are_shown_once_replaced_by_newer_ones_and_opened(
    page: Page, worker: Worker, deliver: Deliver
) -> None:
    deliver("evt_looking", "job-0")
    assert worker.evaluate(_SHOWN) == [], "somebody looks at a page of ours"
    page.goto("about:blank")

    deliver("evt_1", "job-1")
    deliver("evt_2", "job-1")
    deliver("evt_3", "job-2")

    shown = worker.evaluate(_SHOWN)
    assert {one["tag"]: one["id"] for one in shown} == {"job-1": "evt_2", "job-2": "evt_3"}
    assert len(shown) == 2
    assert worker.evaluate(_CLICK) == ["open /usage", "left 1"]

    other = page.context.new_page()
    other.goto("/usage")
    assert worker.evaluate(_CLICK) == ["focus /usage", "left 0"]
    other.close()

    # The first again, as after a crash between the push service's answer and our note of it.
    deliver("evt_1", "job-1")
    assert worker.evaluate(_SHOWN) == []


def test_the_page_offers_push_and_says_whether_it_is_on(
    page: Page,
    owner: Person,  # noqa: F811 - the fixture above
) -> None:
    faults = faults_of(page)
    page.goto("/account/push")
    button = page.get_by_role("button", name="Turn on in this browser")

    button.click()

    # This Chromium has no push service to subscribe to.
    expect(page.locator("[data-push-said]")).to_contain_text("Push is not on.")
    expect(button).to_be_enabled()
    _as_if_turned_on(page, owner)
    expect(page.locator("[data-push-said]")).to_contain_text("It is on in this browser.")
    expect(button).to_be_hidden()
    assert judge_every_view(page, "push") == []
    assert [fault for fault in faults if "push" not in fault.lower()] == []


def _as_if_turned_on(page: Page, owner: Person) -> None:  # noqa: F811
    made = PushSubscription.objects.create(
        id=uuid4(), owner_id=owner.id, endpoint="https://push.example/1", name="Chromium"
    )
    page.evaluate(
        "(id) => localStorage.setItem('push-known', JSON.stringify({endpoint: 'x', id}))",
        str(made.id),
    )
    page.reload()
