"""The pages of signing up, in, and looking after an account, as a browser without JavaScript uses them."""

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from jobs import seeds
from jobs.models import Account
from tests.accounts.app import PASSWORD, Phone, code_of_mail
from tests.factories import ann, bob
from videogen.accounts import keys
from videogen.accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db
NEW = "dora@example.com"


@pytest.fixture(autouse=True)
def _tiers() -> None:
    seeds.add_tiers()


def _signed_in(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


def _text(answer: Any) -> str:
    return str(answer.content.decode())


def test_somebody_new_signs_up_with_the_code_of_the_mail_and_lands_in_the_studio() -> None:
    browser = Client()

    first = browser.post("/sign-up", {"email": NEW, "password1": PASSWORD})
    assert first.headers["Location"] == "/sign-up/code"
    assert NEW in _text(browser.get("/sign-up/code"))
    wrong = browser.post("/sign-up/code", {"code": "WRONG1"})
    assert "This code does not match" in _text(wrong)
    assert browser.get("/").status_code == 302
    done = browser.post("/sign-up/code", {"code": code_of_mail()})

    assert done.headers["Location"] == "/"
    assert browser.get("/").status_code == 200
    assert Account.objects.get(owner__email=NEW).tier_id == "free"


@pytest.mark.parametrize(
    ("said", "kept"), [("Asia/Tokyo", "Asia/Tokyo"), ("Mars/Olympus", "UTC"), ("", "UTC")]
)
def test_the_clock_of_somebody_new_is_that_of_their_browser(said: str, kept: str) -> None:
    Client().post("/sign-up", {"email": NEW, "password1": PASSWORD, "time_zone": said})

    assert User.objects.get(email=NEW).time_zone == kept


def test_a_taken_address_is_answered_like_a_free_one() -> None:
    ann()
    pages = []
    for email in ("ann@example.com", "nova@example.com"):
        browser = Client()
        answer = browser.post("/sign-up", {"email": email, "password1": PASSWORD})
        shown = _text(browser.get("/sign-up/code"))
        page = re.sub(r'value="[A-Za-z0-9]{64}"|nonce="[^"]*"', "", shown)
        pages.append((answer.status_code, answer.headers["Location"], page.replace(email, "")))

    assert pages[0] == pages[1]
    assert "already" in mail.outbox[0].subject


def test_a_closed_house_makes_no_accounts(settings: Any) -> None:
    settings.SIGN_UP_OPEN = False

    page = Client().post("/sign-up", {"email": NEW, "password1": PASSWORD})

    assert "administrator makes the accounts" in _text(page)
    assert Phone().sign_up(NEW).status_code == 403
    assert not User.objects.exists()


def test_a_forgotten_password_is_set_with_a_code() -> None:
    ann()
    elsewhere, browser = Client(), Client()
    elsewhere.post("/sign-in", {"username": "ann@example.com", "password": "a long password"})
    assert elsewhere.get("/").status_code == 200

    browser.post("/password/forgotten", {"email": "ann@example.com"})
    code = code_of_mail()
    browser.post("/password/code", {"code": code})
    twice = {"password1": "brand new otters", "password2": "brand new otters"}
    done = browser.post("/password/new", twice)

    assert done.headers["Location"] == "/password/done"
    assert elsewhere.get("/").status_code == 302
    answer = browser.post(
        "/sign-in", {"username": "ann@example.com", "password": "brand new otters"}
    )
    assert answer.headers["Location"] == "/"
    told = _text(browser.get("/notifications/sent"))
    assert "Your password was set anew" in told
    assert "A code to prove an address" in told
    assert code not in told


@pytest.mark.parametrize(
    "path",
    [
        "/account",
        "/account/password",
        "/account/email",
        "/account/devices",
        "/account/push",
        "/account/keys",
        "/account/webhooks",
        "/account/two-factor/",
    ],
)
def test_pages_of_an_account_are_for_its_owner(path: str) -> None:
    page = _signed_in(ann().user).get(path)
    stranger = Client().get(path)

    assert page.status_code == 200
    assert "<h1>" in _text(page)
    assert " style=" not in _text(page)
    assert "<script>" not in _text(page)
    assert stranger.status_code == 302
    assert stranger.headers["Location"].startswith("/sign-in")


def test_the_time_zone_is_saved_and_a_wrong_one_named() -> None:
    owner = ann()
    browser = _signed_in(owner.user)

    assert browser.post("/account", {"time_zone": "Europe/Lisbon"}).status_code == 302
    wrong = browser.post("/account", {"time_zone": "Mars/Olympus"})

    assert wrong.status_code == 400
    assert "There is no time zone" in _text(wrong)
    owner.user.refresh_from_db()
    assert owner.user.time_zone == "Europe/Lisbon"


def test_a_key_is_made_shown_once_rotated_and_revoked_on_its_page() -> None:
    owner = ann()
    browser = _signed_in(owner.user)

    made = browser.post("/account/keys", {"do": "make", "name": "farm", "scopes": ["read"]})
    secret = re.search(r'<code id="secret">(vg_\w+)</code>', _text(made))
    assert secret
    assert "no-store" in made.headers["Cache-Control"]
    assert keys.access_of(secret[1])
    assert secret[1] not in _text(browser.get("/account/keys"))
    key = ApiKey.objects.get(name="farm")
    assert key.scopes == ["read"]

    rotated = browser.post("/account/keys", {"do": "rotate", "key": key.id})
    assert "goes on for 24 hours" in _text(rotated)
    asked = _text(browser.post("/account/keys", {"do": "ask", "key": key.id}))
    assert "This cannot be undone" in asked
    assert keys.access_of(secret[1])
    revoked = browser.post("/account/keys", {"do": "revoke", "key": key.id}, follow=True)

    assert _text(revoked).count("Nobody gets in with it any more") == 1
    assert keys.access_of(secret[1]) is None
    assert ApiKey.objects.filter(name="farm", revoked_at=None).count() == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "", "scopes": ["read"]}, "Give it a name"),
        ({"name": "x"}, "Choose at least one"),
        ({"name": "x", "scopes": ["read"], "ends": "7000"}, "Choose one of the list"),
    ],
)
def test_a_wrong_form_says_what_to_change(fields: dict[str, Any], said: str) -> None:
    answer = _signed_in(ann().user).post("/account/keys", {"do": "make", **fields})

    assert answer.status_code == 400
    assert said in _text(answer)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize("do", ["rotate", "revoke"])
def test_nobody_touches_the_keys_of_somebody_else(do: str) -> None:
    ann()
    key = ApiKey.objects.get()
    answer = _signed_in(bob().user).post("/account/keys", {"do": do, "key": key.id})

    assert answer.status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None


def test_another_device_is_signed_out_from_the_list_and_nobody_elses() -> None:
    ann(), bob()
    here, there, other = Client(), Client(headers={"User-Agent": "Firefox/1 (Windows)"}), Client()
    for browser, name in ((here, "ann"), (there, "ann"), (other, "bob")):
        browser.post("/sign-in", {"username": f"{name}@example.com", "password": "a long password"})

    page = _text(here.get("/account/devices"))
    assert "Firefox on Windows" in page
    device = re.findall(r'name="device" value="(\d+)"', page)
    assert len(device) == 1
    assert other.post("/account/devices", {"device": device[0]}).status_code == 404
    assert there.get("/").status_code == 200
    here.post("/account/devices", {"device": device[0]})

    assert there.get("/").status_code == 302
    assert here.get("/").status_code == other.get("/").status_code == 200


def test_a_new_password_signs_the_other_devices_out() -> None:
    ann()
    here, there = Client(), Client()
    for browser in (here, there):
        browser.post("/sign-in", {"username": "ann@example.com", "password": "a long password"})

    here.post(
        "/account/password",
        {
            "oldpassword": "a long password",
            "password1": "brand new otters",
            "password2": "brand new otters",
        },
    )

    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302
    assert "Your password was changed" in [message.subject for message in mail.outbox]


def test_the_second_step_is_not_turned_on_without_the_password() -> None:
    answer = _signed_in(ann().user).get("/account/two-factor/totp/activate/")

    assert answer.headers["Location"].startswith("/account/confirm")


def test_an_open_redirect_is_no_way_out_of_the_sign_in() -> None:
    ann()
    answer = Client().post(
        "/sign-in?next=https://evil.example/",
        {"username": "ann@example.com", "password": "a long password", "next": "//evil.example"},
    )

    assert answer.headers["Location"] == "/"
