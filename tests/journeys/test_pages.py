"""Every page, by everyone who reads it: both themes, a desk and a phone, full and empty."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.conf import settings
from django.db.models.functions import Now
from django.test import Client
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from jobs import seeds
from jobs.web import usage
from notifications import unsubscribing
from proofs.sinks.running import Sink, sink
from tests import noon
from tests.factories import Person, ann
from tests.journeys import scenes
from tests.journeys.looking import Feed, faults_of, judge_every_view, reader
from videogen.accounts import suspensions
from videogen.accounts.models import ApiKey

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner() -> Person:
    seeds.add_tiers()
    found = ann()
    found.user.time_zone = noon.zone()
    found.user.save(update_fields=["time_zone"])
    return found


@pytest.fixture
def receiver(tmp_path: Path, settings: Any) -> Iterator[Sink]:
    """Give a receiver of webhooks on this machine, which may be reached."""
    settings.OUTBOUND_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with sink("http", tmp_path) as running:
        yield running


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
    batch_id = scenes.a_batch(owner)
    found = scenes.a_full_day(owner)
    scenes.sent_and_withheld(owner)
    scenes.others_wait()
    scenes.a_month(owner)
    addresses = {
        # What is known of the line is soon too old to be told.
        "studio": "/",
        "job-waiting": f"/jobs/{found['waiting']}/",
        "job-edit": f"/jobs/{found['waiting']}/edit",
        "batch": f"/batches/{batch_id}",
        "delete": f"/jobs/{found['ready']}/delete",
        "history": "/history",
        "history-filtered": "/history?state=failed&day=today",
        "history-nothing": "/history?q=no+such+prompt",
        "usage": "/usage",
        "notifications": "/notifications",
        "notifications-sent": "/notifications/sent",
        "notifications-preferences": "/notifications/preferences",
        "sure": "/jobs/cancel-waiting",
    } | {f"job-{look}": f"/jobs/{job_id}/" for look, job_id in found.items()}

    assert _judge(page, addresses) == []


def test_the_pages_of_an_account_and_of_its_programs_read_well(
    page: Page, owner: Person, receiver: Sink
) -> None:
    found = scenes.addresses_of_programs(owner, f"http://127.0.0.1:{receiver.port}")
    webhooks = {name: f"/account/webhooks/{one}" for name, one in found.endpoints.items()}
    addresses = {
        "account": "/account",
        "account-email": "/account/email",
        "account-password": "/account/password",
        "account-second-step": "/account/two-factor/",
        "account-confirm": "/account/two-factor/totp/activate/",
        "keys": "/account/keys",
        "webhooks": "/account/webhooks",
        "webhook-delivery": f"{webhooks['failing']}/deliveries/{found.failed}",
        "webhook-none-given-up": f"{webhooks['working']}?show=failed",
    } | {f"webhook-{name}": address for name, address in webhooks.items()}

    faults = _judge(page, addresses)
    page.goto("/account/keys")
    page.get_by_role("textbox", name="Name").fill("render farm")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("button", name="Copy").wait_for()
    faults += judge_every_view(page, "keys-new")
    page.get_by_role("button", name="Revoke render farm").click()
    page.get_by_role("button", name="Revoke it for good").wait_for()
    faults += judge_every_view(page, "keys-revoke")
    page.goto("/account/webhooks")
    page.get_by_role("textbox", name="Address").fill("https://nowhere.invalid/hook")
    page.get_by_role("button", name="Add the address").click()
    page.get_by_role("alert").wait_for()
    faults += judge_every_view(page, "webhooks-fault")

    # The browser itself says that a form was refused.
    assert [fault for fault in faults if "400" not in fault] == []


def test_the_second_step_is_turned_on_through_pages_that_read_well(
    browser: Browser, live_server: LiveServer, owner: Person
) -> None:
    with reader(browser, url=live_server.url, session=None) as page:
        Feed().route(page)
        page.goto("/sign-in?next=/account/two-factor/totp/activate/")
        page.get_by_label("Email").fill(owner.user.email)
        page.get_by_label("Password").fill("a long password")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Is it you?").wait_for()
        page.get_by_label("Password").fill("a long password")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("heading", name="Turn on the second step").wait_for()
        faults = judge_every_view(page, "second-step-turn-on")
        page.get_by_role("textbox", name="Code").fill("000000")
        page.get_by_role("button", name="Turn on").click()
        page.get_by_role("alert").wait_for()
        faults += judge_every_view(page, "second-step-fault")
        secret = page.locator("code.user-text").inner_text()
        counter = next(iter(yield_hotp_counters_from_time()))
        code = format_hotp_value(hotp_value(secret, counter))
        page.get_by_role("textbox", name="Code").fill(code)
        page.get_by_role("button", name="Turn on").click()
        page.get_by_role("heading", name="Recovery codes").wait_for()
        faults += judge_every_view(page, "recovery-codes")
        for name, address in {
            "second-step-on": "/account/two-factor/",
            "second-step-turn-off": "/account/two-factor/totp/deactivate/",
            "devices": "/account/devices",
        }.items():
            page.goto(address)
            faults += judge_every_view(page, name)

    with reader(browser, url=live_server.url, session=None) as page:
        page.goto("/sign-in")
        page.get_by_label("Email").fill(owner.user.email)
        page.get_by_label("Password").fill("a long password")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("textbox", name="Code").wait_for()
        faults += judge_every_view(page, "sign-in-second-step")

    assert faults == []


def test_who_is_not_signed_in_reads_well_what_there_is(
    browser: Browser, live_server: LiveServer, owner: Person
) -> None:
    with reader(browser, url=live_server.url, session=None) as page:
        addresses = {
            "sign-in": "/sign-in",
            "sign-up": "/sign-up",
            "password-forgotten": "/password/forgotten",
        }

        faults = _judge(page, addresses)
        page.get_by_label("Email").fill(owner.user.email)
        page.get_by_role("button", name="Send the code").click()
        page.get_by_role("textbox", name="Code").wait_for()
        faults += judge_every_view(page, "password-code")
        page.goto("/sign-up")
        page.get_by_label("Email").fill("somebody.new@example.com")
        page.get_by_label("Password").fill("short")
        page.get_by_role("button", name="Make the account").click()
        page.get_by_role("alert").first.wait_for()
        faults += judge_every_view(page, "sign-up-fault")
        page.get_by_label("Password").fill("seventeen wet otters")
        page.get_by_role("button", name="Make the account").click()
        page.get_by_role("textbox", name="Code").wait_for()
        faults += judge_every_view(page, "sign-up-code")

    assert faults == []


def test_what_opens_over_a_page_reads_well(page: Page, owner: Person) -> None:
    scenes.a_full_day(owner)
    faults = faults_of(page)
    page.goto("/")
    row = page.locator('[data-list="under-way"] [data-look="running"]').first
    waiting = page.locator('[data-list="under-way"] [data-look="waiting"]')
    closed = page.locator("dialog[open], [popover]:popover-open")

    for name, opened in {
        "menu-account": page.get_by_role("button", name=owner.user.email),
        "menu-row": row.get_by_role("button", name="More actions"),
        "dialog-cancel": row.get_by_role("button", name="Cancel · 2 credits"),
        "dialog-edit": waiting.get_by_role("link", name="Edit before it starts"),
        "dialog-cancel-waiting": page.get_by_role("link", name="Cancel waiting"),
    }.items():
        opened.click()
        expect(closed).to_have_count(1)
        faults += judge_every_view(page, name)
        expect(closed).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")
        expect(closed).to_have_count(0)
    page.keyboard.press("?")
    faults += judge_every_view(page, "dialog-keys")

    assert faults == []


def test_who_meets_a_fault_or_a_closed_door_reads_why(
    page: Page, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(usage, "page", broken)
    way_out = urlsplit(unsubscribing.address(owner.id, "job.succeeded", "email")).path
    faults = _judge(
        page,
        {
            "not-found": "/jobs/no-such-job",
            "forbidden": "/console/",
            "broken": "/usage",
            "unsubscribe": way_out,
        },
    )
    suspensions.suspend(owner.user, reason=scenes.HOSTILE[:300], by=None)
    faults += _judge(page, {"suspended": "/"})

    # The browser itself says how each was answered.
    assert [fault for fault in faults if "status of" not in fault] == []


def test_who_has_nothing_yet_is_told_what_to_do(page: Page) -> None:
    ApiKey.objects.update(revoked_at=Now())
    addresses = {
        "keys-empty": "/account/keys",
        "webhooks-empty": "/account/webhooks",
        "studio-empty": "/",
        "history-empty": "/history",
        "usage-empty": "/usage",
        "notifications-empty": "/notifications",
        "notifications-sent-empty": "/notifications/sent",
    }

    assert _judge(page, addresses) == []
