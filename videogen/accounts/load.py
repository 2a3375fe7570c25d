"""Accounts by the thousand, each with an API key, for load tests."""

import secrets
from collections.abc import Iterator
from typing import Final

from django.db import transaction

from jobs import accounts
from videogen.accounts import keys
from videogen.accounts.models import User

_BATCH: Final = 1000
# Reserved by RFC 6761: no mail ever leaves for it.
_DOMAIN: Final = "load.invalid"


def seed(count: int, *, tier: str) -> Iterator[list[str]]:
    """Create accounts that nobody can sign in to, a batch a transaction; gives the keys of each batch.

    Raises ValueError when there is no such tier.
    """
    run = secrets.token_hex(4)
    for first in range(0, count, _BATCH):
        numbers = range(first, min(first + _BATCH, count))
        users = [User(email=f"{tier}-{run}-{number}@{_DOMAIN}") for number in numbers]
        for user in users:
            user.set_unusable_password()
        with transaction.atomic():
            User.objects.bulk_create(users)
            accounts.open_accounts([user.id for user in users], tier=tier)
            made = keys.create_many(users, name="Load")
        yield made
