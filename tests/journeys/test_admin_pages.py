"""The admin in a browser: its pages in both themes and on a phone, with what people typed in them."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from jobs import seeds
from tests.factories import ann, person
from tests.journeys import scenes
from tests.journeys.looking import VIEWS, arm, faults_of, judge, reader

pytestmark = [pytest.mark.long, pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    seeds.add_tiers()
    staff = person("root", tier="internal").user
    staff.is_staff = staff.is_superuser = True
    staff.save()
    client = Client()
    client.force_login(staff)
    name = settings.SESSION_COOKIE_NAME
    session = {"name": name, "value": client.cookies[name].value}
    with reader(browser, url=live_server.url, session=session) as page:
        yield page


def _change(label: str, key: object) -> str:
    return reverse(f"admin:{label.replace('.', '_')}_change", args=[key])


def test_the_pages_of_the_admin_read_well(page: Page) -> None:
    owner = ann()
    found = scenes.a_full_day(owner)
    tier = apps.get_model("jobs", "tier").objects.get(name="pro")
    addresses = {
        "admin": reverse("admin:index"),
        "admin-jobs": reverse("admin:jobs_job_changelist"),
        "admin-job-hostile": _change("jobs.job", found["hostile"]),
        "admin-account": _change("jobs.account", owner.id),
        "admin-plan": _change("jobs.tier", tier.pk),
        "admin-users": reverse("admin:accounts_user_changelist"),
        "admin-user": _change("accounts.user", owner.id),
    }
    said = faults_of(page)
    faults: list[str] = []

    for view, (size, theme) in VIEWS.items():
        # The theme asks for the colours when a page is loaded.
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]  # a literal of two
        page.set_viewport_size(size)
        for title, address in addresses.items():
            page.goto(address, wait_until="networkidle")
            arm(page)
            faults += judge(page, f"{title}-{view}")

    assert faults + said == []
