"""Accounts for load tests: each key works, and only its owner reads the file."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from jobs import seeds
from jobs.models import Account, Tier
from videogen.accounts import keys
from videogen.accounts.models import User

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_account_has_a_key_that_works_and_its_credits(tmp_path: Path) -> None:
    seeds.add_tiers()
    file = tmp_path / "keys"

    call_command(
        "seed_accounts", "--count=1003", "--tier=pro", f"--keys-file={file}", stdout=io.StringIO()
    )

    found = file.read_text().split()
    monthly = Tier.objects.get(name="pro").monthly_credits
    assert len(set(found)) == 1003
    assert file.stat().st_mode & 0o777 == 0o600
    assert Account.objects.filter(tier="pro", balance=monthly).count() == 1003
    for key in (found[0], found[-1]):
        access = keys.access_of(key)
        assert access is not None
        assert not access.user.has_usable_password()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tier": "gold"}, "There is no tier 'gold'."),
        ({"count": 0}, "--count must be from 1 to 1,000,000."),
        ({"keys_file": Path("/nowhere/keys")}, "cannot be written"),
        ({"keys_file": Path("/dev/null")}, "is no file"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    seeds.add_tiers()
    asked = {"count": 2, "tier": "pro", "keys_file": tmp_path / "keys"} | options

    with pytest.raises(CommandError, match=said):
        call_command("seed_accounts", **asked, stdout=io.StringIO())

    assert not User.objects.exists()
