"""Signing in by another place's account is a matter of configuration: names and secrets in the environment."""

import json
import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.conf import settings
from django.db import connection
from django.test import Client

from tests.accounts.app import Phone
from tests.factories import ann
from videogen.accounts.models import User

_ASK = """
import django, json
django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost")
config = client.get("/api/v1/auth/app/v1/config").json()["data"]["socialaccount"]
print("FOUND", json.dumps([config["providers"], client.get("/sign-in/with/google/login/").status_code]))
"""


@pytest.mark.django_db(transaction=True)
def test_a_provider_named_in_the_environment_is_offered_to_apps_and_pages() -> None:
    address = urlsplit(os.environ["DATABASE_URL"])
    name = str(connection.settings_dict["NAME"])
    environment = {
        **os.environ,
        "DATABASE_URL": address._replace(path=f"/{name}").geturl(),
        "SOCIAL_PROVIDERS": "google",
        "GOOGLE_CLIENT_ID": "an-id-of-ours",
        "GOOGLE_CLIENT_SECRET": "a-secret-of-ours",
    }

    done = subprocess.run(
        [sys.executable, "-c", _ASK],
        env=environment,
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    providers, page = json.loads(done.stdout.split("FOUND ")[1])
    assert [(one["id"], one["client_id"]) for one in providers] == [("google", "an-id-of-ours")]
    assert "provider_token" in providers[0]["flows"]
    assert page == 200
    assert "a-secret-of-ours" not in done.stdout


@pytest.fixture
def linked() -> User:
    """Ann, who signs in with a place that was taken out of the environment; the library's table has it still."""
    found = ann().user
    SocialAccount.objects.create(user=found, provider="google", uid="17")
    SocialApp.objects.create(provider="google", name="Google", client_id="an-id", secret="x")
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["", "/", "/login/", "/login/callback/?code=x&state=y"])
def test_the_address_of_a_removed_provider_is_not_there(linked: User, path: str) -> None:
    for browser in (Client(), Client()):
        answer = browser.get(f"/sign-in/with/google{path}")
        assert answer.status_code == 404
        browser.force_login(linked)


@pytest.mark.django_db
def test_a_link_to_a_removed_provider_is_shown_and_can_be_taken_away(linked: User) -> None:
    browser, phone = Client(), Phone()
    browser.force_login(linked)
    phone.sign_in(linked.email, "a long password")

    page = browser.get("/sign-in/with/")
    listed = phone.call("GET", "account/providers").json()["data"]

    assert page.status_code == 200
    assert "google" in page.content.decode()
    assert [(one["uid"], one["provider"]) for one in listed] == [
        ("17", {"id": "google", "name": "google", "flows": []})
    ]
    browser.post("/account/confirm", {"password": "a long password"})
    browser.post("/sign-in/with/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()


@pytest.mark.django_db
def test_nobody_signs_in_or_up_by_a_removed_provider(linked: User) -> None:
    begun = Client()
    session = begun.session
    # The beginning of what allauth keeps of a sign-up that waits for an address.
    told = {"provider": {"id": "google", "app.client_id": "an-id"}}
    session["socialaccount_sociallogin"] = told
    session.save()
    token = {"client_id": "an-id", "id_token": "y"}

    signed = Phone().call(
        "POST", "auth/provider/token", {"provider": "google", "process": "login", "token": token}
    )

    assert begun.get("/sign-in/with/signup/").headers["Location"] == "/sign-in"
    assert signed.status_code == 400
    assert "Google" not in Client().get("/sign-in").content.decode()
