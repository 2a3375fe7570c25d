"""The demo accounts of `bin/dev`: one a tier and an administrator, with secrets of this installation only."""

import hashlib
import hmac
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from videogen.accounts import keys
from videogen.accounts.models import User

_TIERS = ("free", "pro", "enterprise", "internal")
_ADMIN = "admin@videogen.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """What somebody needs to try an account."""

    email: str
    password: str
    tier: str
    api_key: str


def accounts() -> list[DemoAccount]:
    """Give the demo accounts. Their secrets follow from SECRET_KEY, so a restart keeps them."""
    return [
        DemoAccount(
            email=f"{tier}@videogen.example",
            password=_password(tier),
            tier=tier,
            api_key=keys.derived_secret(salt=f"demo {tier}", secret_key=settings.SECRET_KEY),
        )
        for tier in _TIERS
    ]


def seed() -> dict[str, Any]:
    """Create what is missing and give everything as `demo.json` shows it."""
    found = accounts()
    for account in found:
        user = User.objects.filter(email=account.email).first() or User.objects.create_user(
            account.email, account.password, tier=account.tier
        )
        keys.create(user, name="Demo", secret=account.api_key)
    admin = {"email": _ADMIN, "password": _password("admin")}
    if not User.objects.filter(email=_ADMIN).exists():
        User.objects.create_superuser(admin["email"], admin["password"])
    return {"accounts": [asdict(account) for account in found], "admin": admin}


def _password(name: str) -> str:
    digest = hmac.new(
        settings.SECRET_KEY.encode(), f"password {name}".encode(), hashlib.sha256
    ).hexdigest()
    return f"{name}-{digest[:10]}"
