"""Every text that a stranger writes, in every page that there is: nothing becomes an element, a header or a formula.

INJECTION_ROUNDS=all puts each of the payloads into each column, which takes minutes (`bin/proof injection`); one round
puts another into each row.
"""

import csv
import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import date
from difflib import ndiff
from http import HTTPStatus
from itertools import cycle
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import pytest
import yaml
from allauth.socialaccount.models import SocialAccount
from django.db import transaction
from django.test import Client

from jobs.failures import FailureKind
from notifications.relay import Relay
from tests.factories import Person, ann, bob, end_attempt, queued, running, succeeded
from tests.looking import MARK, Form, Forms, Looking, Page, pages
from tests.payloads import PAYLOADS
from tests.text_columns import OF_STRANGERS, OURS, columns
from tests.writing import HARMLESS, ROWS, fill_tables, write_texts

pytestmark = [pytest.mark.django_db, pytest.mark.long]

ROOT = Path(__file__).resolve().parent.parent.parent
_ROUNDS: Final = os.environ.get("INJECTION_ROUNDS", "1")
_VERBS: Final = {"post", "put", "patch"}
_MISSING: Final = "01890000-0000-7000-8000-000000000000"
# Those that the code reads and that a caller chooses.
_HEADERS: Final = (
    "User-Agent", "Idempotency-Key", "X-Forwarded-For", "If-None-Match", "Accept", "Range", "Prefer", "Origin",
    "Referer", "X-Client-Request-Id", "X-Request-Id", "HX-Request", "Last-Event-ID", "X-Session-Token",
    "Accept-Language", "traceparent",
)  # fmt: skip
_END_OF_LINE: Final = str(("br",))
_PER_FIELD: Final = 1 if _ROUNDS != "all" else 40


def test_somebody_has_thought_of_every_column_that_can_hold_a_text() -> None:
    known = {name for name, _, _ in columns()}

    assert known == OF_STRANGERS | OURS
    assert not OF_STRANGERS & OURS


@pytest.fixture
def owner() -> Person:
    """Ann, with rows in every table that has a text of a stranger."""
    found = ann()
    ended = [succeeded(found) for _ in range(3)]
    end_attempt(running(found), FailureKind.CONTENT_POLICY)
    running(found)
    queued(found)
    relay = Relay()
    relay.acquire_shards()
    relay.step()
    fill_tables(owner=found.id, job=ended[0].id)
    # Her own would ask for a provider that is set up.
    SocialAccount.objects.update(user=bob().user)
    return found


def test_no_page_gets_an_element_or_an_attribute_from_any_text(owner: Person) -> None:
    looking = Looking(owner)
    write_texts(0, harmless=True)
    every = pages(owner)
    for page in every:
        # What was seen once is shown as seen, and a first form of the admin's library is not like its second.
        if page.path == "/notifications" or page.path.endswith("/add/"):
            looking.see(page)
    first = {page: looking.see(page) for page in every}
    shown = {page: found.found for page, found in first.items() if found}
    assert len(shown) > 100
    seen: set[str] = set()

    for number in range(_rounds()):
        write_texts(number)
        for page, structure in [*shown.items()]:
            plain, found = structure, looking.see(page)
            if not found or _changed(plain, found.found):
                # A page may have changed with the time that went by: this moment's, without and with the payloads.
                write_texts(0, harmless=True)
                now = looking.see(page)
                write_texts(number)
                found = looking.see(page)
                assert now, page
                assert found, page
                plain = shown[page] = now.found
            assert " ".join(_changed(plain, found.found)) == "", page
            seen.update(MARK.findall("".join(found.text)))
    assert len(seen) == len(PAYLOADS) >= 300


def _changed(before: Sequence[object], after: Sequence[object]) -> list[str]:
    """Name the elements that came or went, but for ends of lines, which Django's admin writes as elements."""
    return [
        line
        for line in ndiff([*map(str, before)], [*map(str, after)])
        if line[0] in "+-" and line[2:] != _END_OF_LINE
    ]


def _rounds() -> int:
    return -(-len(PAYLOADS) // ROWS) if _ROUNDS == "all" else int(_ROUNDS)


def test_no_form_and_no_address_gives_back_more_than_text(owner: Person) -> None:
    looking = Looking(owner)
    texts = cycle(PAYLOADS)
    tried = set()
    for page in _distinct(pages(owner)):
        answer = looking.ask(page)
        if answer.status_code != HTTPStatus.OK or "html" not in answer.headers["Content-Type"]:
            continue
        for form in Forms(answer.content.decode()).found:
            target = Page(urljoin(page.path, form.action).split("#")[0], page.is_for_operators)
            kind = (form.method, _kind(target.path), *form.typed)
            for names in _together(form) if kind not in tried else ():
                given = {name: next(texts) for name in names}
                kept = form.kept | form.typed
                shown = looking.sent(target, form.method, kept | given)
                changed = []
                for harmless in (_as_long, _without_markup):
                    usual = {name: harmless(text) for name, text in given.items()}
                    plain = looking.sent(target, form.method, kept | usual)
                    changed = _changed(plain.found, shown.found) if shown and plain else []
                    if not changed:
                        break
                assert changed == [], (target, given)
            tried.add(kind)
    assert len(tried) > 50


def _together(form: Form) -> Iterator[Sequence[str]]:
    """Give the fields that are filled at once: all of them, or each again and again."""
    if _ROUNDS != "all":
        yield list(form.typed)
        return
    for name in form.typed:
        yield from [[name]] * _PER_FIELD


def _as_long(text: str) -> str:
    """Give a harmless text that is refused where this one is: as long, with the same marks that do not print."""
    harmless = f"{HARMLESS} " * (len(text) // len(HARMLESS) + 1)
    return "".join(
        plain if one.isprintable() else one for one, plain in zip(text, harmless, strict=False)
    )


def _without_markup(text: str) -> str:
    """Give a text that is taken or refused where this one is, and that nothing can read as markup."""
    return re.sub("[<>\"'&`]", "x", text)


def _distinct(pages: Sequence[Page]) -> Iterator[Page]:
    """Give one page of each kind: those of other jobs have the same forms."""
    seen = set()
    for page in pages:
        if (kind := _kind(page.path)) not in seen:
            seen.add(kind)
            yield page


def _kind(path: str) -> str:
    """Give an address without the ids in it."""
    return re.sub(r"[0-9a-f-]{32,36}|\d+", "", path)


def test_the_table_for_spreadsheets_has_days_and_numbers_only(owner: Person) -> None:
    write_texts(0)
    answer = Looking(owner).ask(Page("/usage.csv", is_for_operators=False))

    first, *rows = csv.reader(answer.content.decode().splitlines())

    assert first == ["day", "videos", "ready", "gpu_minutes", "charged", "given_back"]
    assert len(rows) > 10
    for day, *numbers in rows:
        assert date.fromisoformat(day)
        assert all(float(number) >= 0 for number in numbers)


def test_no_program_gets_a_header_or_anything_but_json_from_a_text(owner: Person) -> None:
    write_texts(0)
    contract = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
    texts = cycle(PAYLOADS)
    asked = 0
    for path, verb, names in _bodies(contract):
        for name in names:
            body = json.dumps({name: next(texts)})
            with transaction.atomic():
                answer = Client().generic(
                    verb, path, body, content_type="application/json", headers=owner.headers
                )
                transaction.set_rollback(True)
            _check_program(path, answer)
            asked += 1
    for header in _HEADERS:
        for text in (next(texts) for _ in range(_PER_FIELD)):
            told = {header: text.encode("latin-1", "replace").decode("latin-1")}
            for path in ("/api/v1/jobs", "/v1/videos", "/api/v1/missing"):
                _check_program(path, Client().get(path, headers={**owner.headers, **told}))
                asked += 1
    assert asked > 100


def _bodies(contract: dict[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Give every operation with a body, and what may be in it."""
    schemas = contract["components"]["schemas"]
    for path, operations in contract["paths"].items():
        for verb, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}) if verb in _VERBS else {}
            if found := content.get("application/json"):
                name = found["schema"].get("$ref", "").rpartition("/")[2]
                fields = schemas.get(name, found["schema"]).get("properties", {})
                yield re.sub(r"{\w+}", _MISSING, path), verb.upper(), [*fields, "unknown"]


def _check_program(path: str, answer: Any) -> None:
    assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR, path
    if answer.content:
        assert answer.headers["Content-Type"] in {"application/json", "application/problem+json"}, (
            path
        )
        json.loads(answer.content)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name, value in answer.headers.items():
        assert value.isprintable(), (path, name)
        assert not MARK.search(value), (path, name)
