"""What a browser fetches is compressed for it, and what it is told stays the same."""

import gzip
import os
import tempfile
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from tests.factories import Person, ann, queued
from videogen import compressed

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


def test_what_is_packed_is_shared_and_nothing_is_missed_if_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    source = settings.BASE_DIR / "static" / "js" / "cards.js"
    served = [compressed._PackedFile(str(source), []) for _ in range(2)]
    (packed,) = tmp_path.glob("videogen-packed-*/*")
    asked = {"HTTP_ACCEPT_ENCODING": "gzip"}

    assert gzip.decompress(_sent(served[1], asked)) == source.read_bytes()
    packed.unlink()
    assert _sent(served[0], asked) == source.read_bytes()
    # As a machine leaves it whose power failed.
    packed.touch()
    again = compressed._PackedFile(str(source), [])

    assert gzip.decompress(_sent(again, asked)) == source.read_bytes()
    assert [*tmp_path.glob("videogen-packed-*/*")] == [packed]
    assert packed.parent.stat().st_mode & 0o777 == 0o700


def _sent(file: compressed._PackedFile, asked: dict[str, str]) -> bytes:
    with file.get_response("GET", asked).file as sent:
        return bytes(sent.read())


def test_a_folder_that_others_may_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    compressed._own_folder.cache_clear()
    foreign = tmp_path / f"videogen-packed-{os.getuid()}"
    foreign.mkdir()
    foreign.chmod(0o777)

    packed = compressed._packed(settings.BASE_DIR / "static" / "js" / "cards.js")
    compressed._own_folder.cache_clear()

    assert packed.parent != foreign
    assert [*foreign.iterdir()] == []


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
