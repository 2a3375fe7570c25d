"""Every page, by everyone who reads it: both themes, a desk and a phone, full and empty."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs import seeds
from tests.factories import Person, ann
from tests.journeys import scenes
from tests.journeys.looking import SHOTS, VIEWS, Feed, faults_of, judge, view

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner() -> Person:
    seeds.add_tiers()
    return ann()


def session_of(owner: Person) -> dict[str, str]:
    client = Client()
    client.force_login(owner.user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}


@pytest.fixture
def open_page(browser: Browser, live_server: LiveServer, owner: Person) -> Iterator[Page]:
    with view(browser, "light-desktop", url=live_server.url, session=session_of(owner)) as page:
        yield page


def test_every_page_reads_well_in_both_themes_and_on_a_phone(
    browser: Browser, live_server: LiveServer, owner: Person
) -> None:
    found = scenes.a_full_day(owner)
    session = session_of(owner)
    pages = {
        "studio": "/",
        "history": "/history",
        "history-filtered": "/history?state=failed&day=today",
        "history-nothing": "/history?q=no+such+prompt",
        "usage": "/usage",
        "notifications": "/notifications",
        "sure": "/jobs/cancel-waiting",
    } | {f"job-{look}": f"/jobs/{job_id}/" for look, job_id in found.items()}
    faults: list[str] = []
    for name in VIEWS:
        with view(browser, name, url=live_server.url, session=session) as page:
            said = faults_of(page)
            for title, address in pages.items():
                page.goto(address)
                faults += judge(page, f"{title}-{name}")
            faults += said
    assert faults == []


def test_who_has_nothing_yet_is_told_what_to_do(
    browser: Browser, live_server: LiveServer, owner: Person
) -> None:
    session = session_of(owner)
    faults: list[str] = []
    for name in VIEWS:
        with view(browser, name, url=live_server.url, session=session) as page:
            said = faults_of(page)
            for title, address in {"studio": "/", "history": "/history", "usage": "/usage", "notifications": "/notifications"}.items():
                page.goto(address)
                faults += judge(page, f"{title}-empty-{name}")
            faults += said
    assert faults == []
