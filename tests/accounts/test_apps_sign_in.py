"""Signing up, in and out in an app, as the app sees it."""

from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import (
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core import mail
from django.test import Client

from jobs.models import Account
from notifications import sent
from tests.accounts.app import PASSWORD, Phone, code_of_mail
from tests.factories import ann
from videogen.accounts import suspensions
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db
NEW = "Dora@Example.com"


def _jobs(token: str) -> Any:
    return Client().get("/api/v1/jobs", headers={"X-Session-Token": token})


def _dora() -> Phone:
    phone = Phone()
    phone.sign_up(NEW)
    assert phone.verify().status_code == 200
    return phone


def _code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def test_somebody_new_signs_up_verifies_and_has_an_account_with_credits() -> None:
    phone = Phone()

    first = phone.sign_up(NEW)

    assert first.status_code == 401
    assert first.headers["Content-Type"] == "application/problem+json"
    assert first.json()["code"] == "sign_in_needed"
    assert {"id": "verify_email", "is_pending": True} in first.json()["data"]["flows"]
    assert _jobs(phone.token).status_code == 401
    assert {kind for _, kind in getattr(mail.outbox[0], "alternatives", [])} == {"text/html"}
    assert mail.outbox[0].to == ["dora@example.com"]

    assert phone.verify().json()["data"]["user"]["email"] == "dora@example.com"

    assert _jobs(phone.token).status_code == 200
    account = Account.objects.get(owner__email="dora@example.com")
    assert account.tier_id == "free"
    assert account.balance > 0


def test_a_wrong_code_opens_nothing_and_too_many_end_the_sign_up() -> None:
    phone = Phone()
    phone.sign_up(NEW)

    answers = [phone.call("POST", "auth/email/verify", {"key": "WRONG1"}) for _ in range(5)]

    assert answers[0].status_code == 400
    assert answers[0].json()["errors"][0]["field"] == "key"
    assert answers[-1].status_code in {401, 409}
    assert phone.verify().status_code in {401, 409}


def test_signing_up_and_forgetting_say_the_same_of_every_address() -> None:
    ann()
    taken, free = Phone().sign_up("ann@example.com"), Phone().sign_up(NEW)
    known, unknown = (
        Phone().call("POST", "auth/password/request", {"email": email})
        for email in ("ann@example.com", "nobody@example.com")
    )
    wrong, nobody = (
        Phone().sign_in(email, "wrong") for email in ("ann@example.com", "no@example.com")
    )

    def said(answer: Any) -> tuple[int, Any]:
        return answer.status_code, {k: v for k, v in answer.json().items() if k != "meta"}

    assert said(taken) == said(free)
    assert said(known) == said(unknown)
    assert said(wrong) == said(nobody)
    subjects = [message.subject for message in mail.outbox]
    assert "You have an account already" in subjects
    assert "No account with this address" in subjects


def test_a_forgotten_password_is_set_anew_and_every_device_is_signed_out() -> None:
    phone, other = _dora(), Phone()
    assert other.sign_in(NEW).status_code == 200
    fresh = Phone()
    fresh.call("POST", "auth/password/request", {"email": NEW})

    fresh.call(
        "POST", "auth/password/reset", {"key": code_of_mail(), "password": "brand new otters"}
    )

    _forget_tokens()
    assert [_jobs(one.token).status_code for one in (phone, other)] == [401, 401]
    assert Phone().sign_in(NEW, PASSWORD).status_code == 400
    assert Phone().sign_in(NEW, "brand new otters").status_code == 200


@pytest.mark.parametrize("password", ["short", "password1", "12345678901", "dora@example.com"])
def test_weak_passwords_are_refused_by_name(password: str) -> None:
    answer = Phone().call("POST", "auth/signup", {"email": NEW, "password": password})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "password"
    assert not User.objects.exists()


def test_devices_are_listed_and_signed_out_one_by_one_or_all() -> None:
    phone, tablet, laptop = _dora(), Phone(), Phone()
    tablet.call(
        "POST", "auth/login", {"email": NEW, "password": PASSWORD}, **{"User-Agent": "Tab/1"}
    )
    laptop.sign_in(NEW)

    listed = phone.call("GET", "auth/sessions").json()["data"]
    tab = next(one for one in listed if one["user_agent"] == "Tab/1")
    assert len(listed) == 3
    phone.call("DELETE", "auth/sessions", {"sessions": [tab["id"]]})

    _forget_tokens()
    assert [_jobs(one.token).status_code for one in (phone, tablet, laptop)] == [200, 401, 200]
    phone.call("DELETE", "auth/session")
    _forget_tokens()
    assert [_jobs(one.token).status_code for one in (phone, laptop)] == [401, 200]


def test_a_second_step_is_asked_for_once_it_is_on_and_recovery_codes_work_once() -> None:
    phone = _dora()
    assert phone.call("GET", "account/authenticators/recovery-codes").status_code == 404
    phone.call("POST", "auth/reauthenticate", {"password": PASSWORD})
    offered = phone.call("GET", "account/authenticators/totp").json()
    secret = offered["meta"]["secret"]
    assert phone.call("POST", "account/authenticators/totp", {"code": "000000"}).status_code == 400
    assert (
        phone.call("POST", "account/authenticators/totp", {"code": _code(secret)}).status_code
        == 200
    )
    recovery = phone.call("GET", "account/authenticators/recovery-codes").json()["data"][
        "unused_codes"
    ]

    half = Phone()
    pending = half.sign_in(NEW)
    assert pending.status_code == 401
    assert _jobs(half.token).status_code == 401
    done = half.call("POST", "auth/2fa/authenticate", {"code": recovery[0]})
    assert done.status_code == 200
    assert _jobs(half.token).status_code == 200

    again = Phone()
    again.sign_in(NEW)
    assert again.call("POST", "auth/2fa/authenticate", {"code": recovery[0]}).status_code == 400


def test_the_secret_of_a_second_step_is_sealed_in_the_database() -> None:
    from allauth.mfa.models import Authenticator

    phone = _dora()
    phone.call("POST", "auth/reauthenticate", {"password": PASSWORD})
    secret = phone.call("GET", "account/authenticators/totp").json()["meta"]["secret"]
    phone.call("POST", "account/authenticators/totp", {"code": _code(secret)})

    assert secret not in str(Authenticator.objects.get(type="totp").data)


def test_a_token_costs_one_query_and_is_remembered(django_assert_num_queries: Any) -> None:
    from videogen.accounts import tokens

    token = _dora().token
    _forget_tokens()

    with django_assert_num_queries(1):
        assert tokens.access_of(token) == tokens.access_of(token)


@pytest.mark.parametrize("token", ["", "x" * 32, "é", "' or 1=1", "x" * 5000])
def test_a_token_of_nobody_is_refused(token: str) -> None:
    answer = Client().get(
        "/api/v1/jobs", headers={"X-Session-Token": token.encode().decode("latin-1")}
    )

    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_a_suspended_person_is_told_so_and_may_not_even_look_after_the_account() -> None:
    phone = _dora()
    suspensions.suspend(User.objects.get(), reason="Spam.", by=None)
    _forget_tokens()

    for answer in (_jobs(phone.token), phone.call("GET", "auth/sessions")):
        assert answer.status_code == 403
        assert answer.json()["code"] == "account_suspended"
        assert "Spam" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "auth/session", None, 401),
        ("GET", "auth/login", None, 405),
        ("POST", "auth/login", [1], 400),
        ("GET", "nowhere", None, 404),
        ("GET", "account/email", None, 401),
    ],
)
def test_every_refusal_is_a_problem_document(
    method: str, path: str, body: Any, status: int
) -> None:
    answer = Phone().call(method, path, body)

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["code"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("[" * 30_000 + "]" * 30_000, 400, "body"),
        ('{"email": ' + "[" * 21 + "]" * 21 + "}", 400, "email"),
        ('{"email": "a@b.example", "email": "c@d.example"}', 400, "email"),
        ('{"email": "a@b.example", "password": NaN}', 400, "password"),
        ('{"email": "a@b.example", "password": "\\ud800 an otter"}', 400, "password"),
        ('{"email": "a@b.example", "password": "\\u0000 an otter"}', 400, "password"),
        ('"text"', 400, "body"),
        ("nonsense", 400, "body"),
        ('{"email": "' + "x" * 66_000 + '"}', 413, "body"),
    ],
    ids=["depth", "deep", "twice", "nan", "half", "nul", "text", "no json", "large"],
)
@pytest.mark.parametrize("path", ["auth/signup", "auth/login"])
def test_a_body_that_nobody_should_send_is_refused_by_name(
    path: str, body: str, status: int, field: str
) -> None:
    answer = Client().post(f"/api/v1/auth/app/v1/{path}", body, content_type="application/json")

    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert not User.objects.exists()


def test_guessing_from_one_address_is_stopped(settings: Any) -> None:
    settings.FLOOD_SIGN_INS_PER_MINUTE = 3
    answers = [Phone().sign_in("ann@example.com", "wrong") for _ in range(4)]

    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_mail_that_cannot_be_sent_stops_nobody(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1

    assert Phone().sign_up(NEW).status_code == 401
    somebody = User.objects.get(email="dora@example.com")
    (noted,) = sent.page(somebody.pk)[0]
    assert (noted.state, noted.reason) == ("skipped", "The mail server did not take it.")


def _forget_tokens() -> None:
    from videogen.accounts import tokens

    tokens.forget()
