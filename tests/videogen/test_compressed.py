"""What a browser fetches is compressed for it, and what it is told stays the same."""

import gzip

import pytest
from django.conf import settings
from django.test import Client

from tests.factories import Person, ann, queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Person:
    return ann()


@pytest.fixture
def browser(owner: Person) -> Client:
    client = Client(headers={"accept-encoding": "gzip, br"})
    client.force_login(owner.user)
    return client


@pytest.mark.parametrize("file", ["css/components.css", "js/cards.js"])
def test_our_own_files_are_packed_though_nothing_was_built(browser: Client, file: str) -> None:
    answer = browser.get(f"/static/{file}")

    sent = answer.getvalue()
    whole = (settings.BASE_DIR / "static" / file).read_bytes()
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert gzip.decompress(sent) == whole
    assert len(sent) < 0.5 * len(whole)
    plain = Client().get(f"/static/{file}")
    assert "Content-Encoding" not in plain.headers
    assert plain.getvalue() == whole


def test_pages_and_what_they_ask_for_are_packed(browser: Client, owner: Person) -> None:
    for number in range(3):
        queued(owner, f"prompt {number}")
    page = browser.get("/history")
    asked = browser.get("/", headers={"accept": "application/json"})

    assert b'<main id="main"' in gzip.decompress(page.content)
    assert b'"tally"' in gzip.decompress(asked.content)
    assert "Accept-Encoding" in page.headers["Vary"]


def test_programs_get_what_they_got(browser: Client) -> None:
    answer = browser.get("/api/schema/")

    assert "Content-Encoding" not in answer.headers
