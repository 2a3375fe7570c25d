"""Staff get into the admin and the console with a second factor only, and are led to it."""

import time
from io import StringIO
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.core.management import CommandError, call_command
from django.test import Client

from jobs import seeds
from tests.videogen.test_headers import ADDRESSES
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db

PASSWORD: Final = "a long password"
DOORS: Final = ("/admin/", "/console/")
SET_UP: Final = "/account/two-factor/totp/activate/"
SHOW: Final = "/account/two-factor/reauthenticate/"


@pytest.fixture(autouse=True)
def _as_in_production(settings: Any) -> None:
    seeds.add_tiers()
    settings.STAFF_SECOND_FACTOR = True
    # A code that was read just before it changes.
    settings.MFA_TOTP_TOLERANCE = 1


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root@example.com", PASSWORD)


def _signed_in(user: User) -> Client:
    """Sign in by the page, as far as the password leads."""
    browser = Client()
    answer = browser.post("/sign-in", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302
    return browser


def _code(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30)))


def _led_to(answer: Any) -> tuple[str, str]:
    """Give where an answer leads, and where that is to lead afterwards."""
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["Location"])
    return parts.path, parse_qs(parts.query)["next"][0]


@pytest.mark.parametrize("verb", ["get", "post"])
def test_no_address_of_operators_opens_to_staff_with_a_password_alone(
    root: User, verb: str
) -> None:
    browser = _signed_in(root)
    behind = [address for address in ADDRESSES if address.startswith(DOORS)]
    assert len(behind) > 100

    for address in behind:
        assert _led_to(getattr(browser, verb)(address)) == (SET_UP, address)
    assert browser.get("/").status_code == 200


def test_whoever_turns_the_second_step_on_is_let_in_and_is_asked_for_it_from_then_on(
    root: User,
) -> None:
    before, browser = _signed_in(root), _signed_in(root)
    place, _ = _led_to(browser.get("/console/"))
    assert "second step" in browser.get(place, follow=True).content.decode()
    browser.post("/account/confirm", {"password": PASSWORD})
    page = browser.get(place)
    secret = page.context["form"].secret

    browser.post(place, {"code": _code(secret)})

    assert [browser.get(door).status_code for door in DOORS] == [200, 200]
    # A session from before has shown a password only.
    assert _led_to(before.get("/console/pools/x?y=1")) == (SHOW, "/console/pools/x?y=1")
    later = Client()
    asked = later.post("/sign-in", {"username": root.email, "password": PASSWORD})
    assert asked.headers["Location"].startswith("/account/two-factor/authenticate/")
    assert later.get("/console/").headers["Location"].startswith("/sign-in")


def test_a_code_opens_a_session_from_before_and_signing_in_with_one_opens_at_once(
    root: User,
) -> None:
    before, secret = _signed_in(root), generate_totp_secret()
    TOTP.activate(root, secret)

    wrong = before.post(f"{SHOW}?next=/console/", {"code": "000000"})
    still = before.get("/console/")
    right = before.post(f"{SHOW}?next=/console/", {"code": _code(secret)})

    assert (wrong.status_code, still.status_code) == (200, 302)
    assert right.headers["Location"] == "/console/"
    assert before.get("/admin/").status_code == 200


def test_a_recovery_code_signs_an_operator_in_who_has_lost_the_phone(root: User) -> None:
    browser = _signed_in(root)
    browser.post("/account/confirm", {"password": PASSWORD})
    secret = browser.get(SET_UP).context["form"].secret
    browser.post(SET_UP, {"code": _code(secret)})
    codes = Authenticator.objects.get(user=root, type="recovery_codes").wrap()
    later = Client()
    later.post("/sign-in", {"username": root.email, "password": PASSWORD})

    later.post("/account/two-factor/authenticate/", {"code": codes.get_unused_codes()[0]})

    assert later.get("/console/").status_code == 200


def test_turned_off_again_it_closes_them_again(root: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(root, secret)
    browser = _signed_in(root)
    browser.post("/account/two-factor/authenticate/", {"code": _code(secret)})
    assert browser.get("/console/").status_code == 200

    Authenticator.objects.filter(user=root).delete()

    assert _led_to(browser.get("/console/"))[0] == SET_UP


def test_a_command_forgets_a_lost_second_factor_and_signs_out(root: User) -> None:
    browser = _signed_in(root)
    TOTP.activate(root, generate_totp_secret())

    call_command("forget_second_factor", root.email, stdout=StringIO())

    assert not Authenticator.objects.exists()
    assert browser.get("/").headers["Location"].startswith("/sign-in")
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("forget_second_factor", root.email)
    with pytest.raises(CommandError, match=r"Nobody has the address nobody@example\.com"):
        call_command("forget_second_factor", "nobody@example.com")
