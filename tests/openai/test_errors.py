"""Every answer below /v1/ that is no success: OpenAI's shape, and what its SDKs obey."""

from typing import Any

import pytest
from django.test import Client

from jobs import catalog
from jobs.models import Account, Tier
from tests.factories import Person, ann, published, queued, running
from tests.openai.calls import VIDEOS, error, get, post_json, send
from videogen import error_shapes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("POST", "/v1/chat/completions", 404, "not_found"),
        ("GET", "/v1/videos/", 404, "not_found"),
        ("GET", "/v1/videos/video_1", 404, "not_found"),
        ("GET", "/v1/videos/%00", 404, "not_found"),
        ("GET", "/v1/videos/characters/char_1", 404, "not_found"),
        ("PUT", "/v1/videos", 405, "method_not_allowed"),
        ("PATCH", "/v1/videos", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/videos", 405, "method_not_allowed"),
        ("DELETE", "/v1/videos", 405, "method_not_allowed"),
        ("GET", "/v1/videos/edits", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
    ],
)
def test_an_address_or_verb_that_is_not_there(
    method: str, path: str, status: int, code: str
) -> None:
    response = send(ann(), method, path)

    assert (response.status_code, error(response)["code"]) == (status, code)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_api_key"),
        ({"Authorization": "Bearer vg_nonsense"}, "invalid_api_key"),
        ({"Authorization": "Basic eDp5"}, "missing_api_key"),
    ],
)
def test_without_a_key_nothing_is_told(headers: dict[str, str], code: str) -> None:
    response = send(None, "GET", VIDEOS, headers=headers)

    found = error(response)
    assert (response.status_code, found["type"], found["code"]) == (
        401,
        "authentication_error",
        code,
    )
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_of_a_browser_opens_nothing_here() -> None:
    browser = Client()
    browser.force_login(ann().user)

    assert browser.get(VIDEOS).status_code == 401


def test_a_flood_is_told_when_to_come_back(settings: Any) -> None:
    settings.FLOOD_SUBMITS_PER_MINUTE = 1
    owner = ann()
    post_json(owner, {"prompt": "x"})

    response = post_json(owner, {"prompt": "y"})

    found = error(response)
    assert (response.status_code, found["code"]) == (429, "rate_limit_exceeded")
    assert 0 < int(response.headers["Retry-After"]) <= 120
    assert response.headers["X-Should-Retry"] == "true"


def test_a_full_line_is_worth_another_try() -> None:
    owner = ann()
    Tier.objects.filter(name="pro").update(queued_limit=1)
    queued(owner)

    published()
    response = post_json(owner, {"prompt": "x"})

    assert (response.status_code, error(response)["type"]) == (429, "rate_limit_error")
    assert 0 < int(response.headers["Retry-After"]) <= 120
    assert response.headers["X-Should-Retry"] == "true"


@pytest.mark.parametrize(
    ("status", "wait", "told"),
    [
        (400, None, None),
        (409, None, "false"),
        (429, None, "false"),
        (429, 120, "true"),
        (429, 121, "false"),
        (500, None, None),
        (503, 1, "true"),
        (503, 600, "false"),
    ],
)
def test_sdks_try_again_only_where_that_helps(
    status: int, wait: int | None, told: str | None
) -> None:
    problem = error_shapes.Problem(status=status, code="x", detail="x", retry_after=wait)

    assert error_shapes.answer(problem, path=VIDEOS).headers.get("X-Should-Retry") == told
    assert "X-Should-Retry" not in error_shapes.answer(problem, path="/api/v1/jobs").headers


def test_an_empty_purse_is_not_worth_another_try() -> None:
    owner = ann()
    Account.objects.filter(owner_id=owner.id).update(balance=0)

    response = post_json(owner, {"prompt": "x"})

    assert (response.status_code, error(response)["code"]) == (429, "insufficient_quota")
    assert response.headers["X-Should-Retry"] == "false"
    assert "Retry-After" not in response.headers


def test_a_fault_of_ours_has_the_shape_too(monkeypatch: pytest.MonkeyPatch) -> None:
    owner: Person = ann()
    running(owner)

    def broken() -> dict[str, catalog.Offer]:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(catalog, "offers", broken)
    response = get(owner, "/v1/models")

    assert (response.status_code, error(response)["type"]) == (500, "server_error")
    assert "purpose" not in response.content.decode()
