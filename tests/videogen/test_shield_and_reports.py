"""The flood shield, and what error reports never carry."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from tests.factories import ann
from videogen import error_reports

pytestmark = pytest.mark.django_db


def test_too_many_tries_to_sign_in_are_told_when_to_come_back(settings: Any) -> None:
    settings.FLOOD_SIGN_INS_PER_MINUTE = 3
    answers = [
        Client().post("/sign-in", {"username": "ann@example.com", "password": "wrong"})
        for _ in range(4)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_flood_of_submissions_is_stopped_before_the_database(settings: Any) -> None:
    settings.FLOOD_SUBMITS_PER_MINUTE = 2
    owner = ann()
    answers = [
        Client().post(
            "/api/v1/jobs",
            '{"prompt": "a whale"}',
            content_type="application/json",
            headers=owner.headers,
        )
        for _ in range(3)
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[-1].headers["Retry-After"]
    told = answers[-1].json()
    assert (told["status"], told["limit"], told["value"]) == (429, "flood", 2)
    assert told["fits_at"]
    assert answers[-1].headers["RateLimit"].startswith('"flood";r=0;t=')
    assert Job.objects.count() == 2


def test_an_error_report_carries_no_request_and_no_user() -> None:
    event = {
        "request": {
            "url": "https://videogen.example/api/v1/jobs",
            "method": "POST",
            "data": {"prompt": "a secret prompt"},
            "headers": {"Authorization": "Bearer vg_secret"},
            "cookies": {"session": "secret"},
            "query_string": "token=secret",
            "env": {"REMOTE_ADDR": "192.0.2.1"},
        },
        "user": {"email": "ann@example.com"},
    }

    sent = error_reports._scrubbed(event, {})

    assert sent == {"request": {"url": "https://videogen.example/api/v1/jobs", "method": "POST"}}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nowhere", "/api/v1/nowhere", "/health/live"])
def test_every_answer_carries_the_policy_and_an_id(path: str) -> None:
    answer = Client().get(path)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "connect-src 'self' ws://testserver:8001" in policy
    assert answer.headers["X-Request-Id"].startswith("req_")


def test_pages_are_for_people_who_signed_in() -> None:
    answer = Client().get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in?next=/")
