"""Every page, by everyone who reads it: both themes, a desk and a phone, full and empty."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from jobs import seeds
from tests.factories import Person, ann
from tests.journeys import scenes
from tests.journeys.looking import Feed, faults_of, judge_every_view, reader

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
def page(browser: Browser, live_server: LiveServer, owner: Person) -> Iterator[Page]:
    with reader(browser, url=live_server.url, session=session_of(owner)) as page:
        Feed().route(page)
        yield page


def _judge(page: Page, addresses: dict[str, str]) -> list[str]:
    said = faults_of(page)
    found: list[str] = []
    for title, address in addresses.items():
        page.goto(address)
        found += judge_every_view(page, title)
    return found + said


def test_every_page_reads_well_in_both_themes_and_on_a_phone(page: Page, owner: Person) -> None:
    found = scenes.a_full_day(owner)
    addresses = {
        "studio": "/",
        "history": "/history",
        "history-filtered": "/history?state=failed&day=today",
        "history-nothing": "/history?q=no+such+prompt",
        "usage": "/usage",
        "notifications": "/notifications",
        "sure": "/jobs/cancel-waiting",
        "not-found": "/jobs/no-such-job",
    } | {f"job-{look}": f"/jobs/{job_id}/" for look, job_id in found.items()}

    faults = _judge(page, addresses)

    # The browser itself says that a page was not found.
    assert [fault for fault in faults if "404" not in fault] == []


def test_who_has_nothing_yet_is_told_what_to_do(page: Page) -> None:
    addresses = {
        "studio-empty": "/",
        "history-empty": "/history",
        "usage-empty": "/usage",
        "notifications-empty": "/notifications",
    }

    assert _judge(page, addresses) == []
