"""What administrators do with users and keys beside suspending them."""

import pytest
from django.test import Client

from jobs import seeds
from jobs.models import Account
from tests.factories import ann
from videogen.accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    seeds.add_tiers()
    browser = Client()
    browser.force_login(User.objects.create_superuser("root@example.com", "a long password"))
    return browser


def test_somebody_whom_an_administrator_adds_can_sign_in_at_once(admin: Client) -> None:
    fields = {
        "email": "eve@example.com",
        "usable_password": "true",
        "password1": "seventeen wet otters",
        "password2": "seventeen wet otters",
    }
    assert admin.post("/admin/accounts/user/add/", fields).status_code == 302

    assert Account.objects.filter(owner__email="eve@example.com").exists()
    answer = Client().post(
        "/sign-in", {"username": "eve@example.com", "password": fields["password1"]}
    )
    assert answer.headers["Location"] == "/"


def test_a_key_is_revoked_and_never_deleted(admin: Client) -> None:
    owner = ann()
    key = ApiKey.objects.get(user=owner.user)
    page = admin.get("/admin/accounts/apikey/").content.decode()
    assert "delete_selected" not in page

    admin.post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [str(key.id)]})

    key.refresh_from_db()
    assert key.revoked_at is not None
    assert Client().get("/api/v1/jobs", headers=owner.headers).status_code == 401
