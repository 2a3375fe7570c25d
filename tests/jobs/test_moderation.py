"""A real plug-in in front of every submission: it refuses in its own words, and its failures have a policy."""

import threading
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from jobs.models import Job, LedgerEntry
from jobs.moderation import ALLOWED, Verdict
from tests.factories import ann

pytestmark = pytest.mark.django_db
WORDS = "We do not make videos of krakens."
asked: list[tuple[str, UUID]] = []
release = threading.Event()


def no_krakens(*, prompt: str, owner_id: UUID) -> Verdict:
    asked.append((prompt, owner_id))
    return Verdict(is_allowed=False, words=WORDS) if "kraken" in prompt else ALLOWED


def breaks(*, prompt: str, owner_id: UUID) -> Verdict:
    raise RuntimeError("no model")


def hangs(*, prompt: str, owner_id: UUID) -> Verdict:
    release.wait(30)
    return ALLOWED


def says_nonsense(*, prompt: str, owner_id: UUID) -> Any:
    return "fine by me"


def _submit(prompt: str) -> Any:
    return Client().post(
        "/api/v1/jobs",
        {"prompt": prompt},
        content_type="application/json",
        headers=ann().headers,
    )


def test_a_refused_prompt_is_told_in_the_moderators_words_and_writes_nothing(settings: Any) -> None:
    settings.MODERATION = f"{__name__}.no_krakens"
    asked.clear()

    refused = _submit("a kraken rises")

    assert refused.status_code == 400
    assert refused.json()["code"] == "prompt_refused"
    assert refused.json()["errors"] == [{"field": "prompt", "message": WORDS}]
    assert not Job.objects.exists()
    assert not LedgerEntry.objects.filter(kind="reserve").exists()
    assert [prompt for prompt, _ in asked] == ["a kraken rises"]


def test_an_allowed_prompt_is_accepted_and_asked_about_once(settings: Any) -> None:
    settings.MODERATION = f"{__name__}.no_krakens"
    asked.clear()

    assert _submit("a calm whale").status_code == 202
    assert asked == [("a calm whale", Job.objects.get().owner_id)]


def test_the_page_shows_the_words_under_the_prompt(settings: Any) -> None:
    settings.MODERATION = f"{__name__}.no_krakens"
    browser = Client()
    browser.force_login(ann().user)

    page = browser.post("/", {"prompt": "a kraken", "seconds": "4"})

    assert WORDS in page.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize("plug_in", ["breaks", "hangs", "says_nonsense"])
@pytest.mark.parametrize(("policy", "status"), [("closed", 503), ("open", 202)])
def test_a_moderator_that_fails_is_handled_by_the_stated_policy(
    settings: Any, plug_in: str, policy: str, status: int
) -> None:
    settings.MODERATION = f"{__name__}.{plug_in}"
    settings.MODERATION_SECONDS = 0.05
    settings.MODERATION_FAILS = policy
    try:
        answer = _submit("a whale")
    finally:
        release.set()

    assert answer.status_code == status
    assert Job.objects.count() == (1 if status == 202 else 0)
    if status == 503:
        assert answer.json()["code"] == "moderation_away"
        assert int(answer.headers["Retry-After"]) > 0
    release.clear()
