"""Every page and form that there is, as its owner and as an operator see them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin
from django.core.cache import caches
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from jobs.models import Batch, Job
from notifications.models import DeliveryAttempt, WebhookEndpoint
from scheduler.models import Operation
from tests.factories import Person
from tests.notifications.test_injection import Structure
from videogen.accounts.models import User

# Not pages: programs' answers, files, streams, and what ends a session.
_NO_PAGES: Final = (
    "/api/",
    "/v1/",
    "/hooks/",
    "/content/",
    "/previews/",
    "/health/",
    "/sign-out",
    "/usage.csv",
)
_TYPED: Final = {
    "text",
    "search",
    "email",
    "url",
    "password",
    "hidden",
    "number",
    "date",
    "tel",
    "",
}
_NOT_TYPED: Final = {"csrfmiddlewaretoken"}
MARK: Final = re.compile(r"xq\d+z")
# Drawn by lot for each answer: any letters may be in it.
_NONCE: Final = re.compile(r"'nonce-[^']*'")


@dataclass(frozen=True)
class Page:
    """An address, and who looks at it."""

    path: str
    is_for_operators: bool


def _addresses(patterns: Sequence[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    for pattern in patterns:
        here = before + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern.url_patterns, here)
        else:
            yield here


def pages(owner: Person) -> list[Page]:
    """Give every page of the addresses, of things that are there; of the admin, every list, form and history."""
    job = Job.objects.filter(owner_id=owner.id)
    things = {
        "batch_id": Batch.objects.values_list("id", flat=True)[0],
        "endpoint_id": WebhookEndpoint.objects.values_list("id", flat=True)[0],
        "operation_id": Operation.objects.values_list("id", flat=True)[0],
        "name": "preview",
        "verb": "pause",
        "attempt": 1,
        "token": "x",
    }
    things["delivery_id"] = DeliveryAttempt.objects.values_list("delivery_id", flat=True)[0]
    found = []
    for template in dict.fromkeys(_addresses(get_resolver().url_patterns)):
        if template.startswith((*_NO_PAGES, "/admin/")) or "(" in template:
            continue
        for job_id in job.values_list("id", flat=True) if "job_id>" in template else [None]:
            path = re.sub(
                r"<(?:\w+:)?(\w+)>",
                lambda hole: str((things | {"job_id": job_id})[hole[1]]),  # noqa: B023 - used at once
                template,
            )
            found.append(Page(path, path.startswith("/console/")))
    return [*found, *_records()]


def _records() -> Iterator[Page]:
    yield Page("/admin/", is_for_operators=True)
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield Page(reverse(f"{name}_changelist"), is_for_operators=True)
        yield Page(reverse(f"{name}_add"), is_for_operators=True)
        for key in model._base_manager.order_by("pk").values_list("pk", flat=True)[:1]:
            for view in ("change", "history", "delete"):
                yield Page(reverse(f"{name}_{view}", args=[key]), is_for_operators=True)


class Looking:
    """Two browsers: the owner's, and an operator's. What they change is taken back."""

    def __init__(self, owner: Person) -> None:
        self._people = {
            False: owner.user,
            True: User.objects.create_superuser("op@example.com", "a long password"),
        }

    def ask(self, page: Page, body: Mapping[str, str] | None = None) -> Any:
        for name in settings.CACHES:
            # Nobody is refused for asking often.
            caches[name].clear()
        browser = Client(raise_request_exception=False)
        browser.force_login(self._people[page.is_for_operators])
        with transaction.atomic():
            answer = browser.get(page.path) if body is None else browser.post(page.path, dict(body))
            transaction.set_rollback(True)
        assert answer.status_code < 500, (page.path, body)
        for name, value in answer.headers.items():
            written = _NONCE.sub("", value)
            assert not MARK.search(written) or name == "Location", (page.path, name, value)
            assert value.isprintable(), (page.path, name, value)
        return answer

    def sent(self, page: Page, method: str, body: Mapping[str, str]) -> Structure | None:
        """Give the structure of what a form is answered with; none where that is no page."""
        if method == "get":
            return self.see(Page(f"{page.path}?{urlencode(body)}", page.is_for_operators))
        answer = self.ask(page, body)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        return Structure(answer.content.decode()) if is_page and answer.content else None

    def see(self, page: Page) -> Structure | None:
        """Give the structure of a page; none where there is no page."""
        answer = self.ask(page)
        is_page = answer.headers.get("Content-Type", "").startswith("text/html")
        return Structure(answer.content.decode()) if is_page and answer.status_code == 200 else None


class Forms(HTMLParser):
    """The forms of a page: how and where they are sent, and their fields with the kind of each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.found.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "textarea" and name and self.found:
            self.found[-1].typed[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and self.found:
            if self._select not in self.found[-1].kept or "selected" in given:
                self.found[-1].kept[self._select] = given.get("value", "")
        elif tag == "input" and name and self.found:
            is_typed = given.get("type", "") in _TYPED and name not in _NOT_TYPED
            fields = self.found[-1].typed if is_typed else self.found[-1].kept
            fields[name] = given.get("value", "")


@dataclass(slots=True)
class Form:
    """Where it is sent, and what is in it."""

    action: str
    method: str
    typed: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
