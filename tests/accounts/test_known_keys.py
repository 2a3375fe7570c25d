"""What keys open is remembered, and forgotten as soon as anything of it changed, whoever changed it."""

import time
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from tests.factories import ann, bob
from videogen.accounts import keys, known_keys, suspensions
from videogen.accounts.known_keys import KnownKeys, Opens
from videogen.accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "LOOK_EVERY", -1.0)


class _Counted:
    """The look-up of keys, which counts, and may be interrupted."""

    def __init__(self) -> None:
        self.count = 0
        self.then: Callable[[], object] = lambda: None

    def __call__(self, secret: str) -> Opens | None:
        self.count += 1
        found = keys._look_up(secret)
        self.then()
        return found


def _elsewhere() -> "psycopg.Connection[tuple[object, ...]]":
    info = connection.settings_dict
    return psycopg.connect(
        host=info["HOST"], port=info["PORT"], dbname=info["NAME"], user=info["USER"],
        password=info["PASSWORD"],
    )  # fmt: skip


def test_a_key_that_is_used_again_is_not_looked_up_again() -> None:
    look_up = _Counted()
    known, key = KnownKeys(look_up), ann().api_key

    found = [known.find(key) for _ in range(3)]

    assert look_up.count == 1
    assert found[0] is found[1] is found[2] is not None


@pytest.mark.parametrize(
    "change",
    [
        "update account_api_key set revoked_at = now()",
        "update account_api_key set expires_at = now()",
        "update account_user set is_active = false",
        "delete from account_api_key",
    ],
)
def test_a_key_that_ended_by_whatever_statement_opens_nothing(change: str) -> None:
    known, key = KnownKeys(keys._look_up), ann().api_key
    assert known.find(key)

    with _elsewhere() as other:
        other.execute(change.encode())

    assert known.find(key) is None


def test_what_a_key_opens_follows_its_row_and_its_user() -> None:
    owner = ann()
    known, key = KnownKeys(keys._look_up), owner.api_key
    assert known.find(key)

    ApiKey.objects.update(scopes=["read"])
    User.objects.update(time_zone="Europe/Lisbon")
    found = known.find(key)
    assert found is not None
    assert found.scopes == {"read"}
    assert found.user.time_zone == "Europe/Lisbon"

    suspensions.suspend(owner.user, reason="Spam", by=None)
    suspended = known.find(key)
    assert suspended is not None
    assert suspended.user.suspension is not None


def test_the_keys_of_others_stay_known() -> None:
    look_up = _Counted()
    known, mine, theirs = KnownKeys(look_up), ann().api_key, bob().api_key
    assert known.find(mine)
    assert known.find(theirs)

    User.objects.filter(api_keys__digest=keys._digest(mine)).update(time_zone="Asia/Tokyo")
    assert known.find(theirs)
    assert look_up.count == 2
    assert known.find(mine)
    assert look_up.count == 3


def test_a_change_that_is_committed_after_later_ones_is_seen() -> None:
    known, mine, theirs = KnownKeys(keys._look_up), ann().api_key, bob().api_key
    revoke = "update account_api_key set revoked_at = now() where digest = %s"
    assert known.find(mine)
    assert known.find(theirs)

    with _elsewhere() as slow:
        slow.execute(revoke, [keys._digest(mine)])
        with _elsewhere() as quick:
            quick.execute(revoke, [keys._digest(theirs)])
        assert known.find(theirs) is None
        assert known.find(mine)

    assert known.find(mine) is None


def test_a_look_up_that_was_overtaken_by_a_change_is_not_remembered() -> None:
    look_up = _Counted()
    known, mine, theirs = KnownKeys(look_up), ann().api_key, bob().api_key
    assert known.find(theirs)

    def change() -> None:
        look_up.then = lambda: None
        ApiKey.objects.filter(digest=keys._digest(mine)).update(revoked_at=timezone.now())
        known.find(theirs)

    look_up.then = change

    assert known.find(mine)
    assert known.find(mine) is None


def test_a_key_ends_at_its_time_though_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = _Counted()
    known, key = KnownKeys(look_up), ann().api_key
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(seconds=20))
    assert known.find(key)
    now = time.monotonic()

    monkeypatch.setattr(time, "monotonic", lambda: now + 19)
    known.find(key)
    assert look_up.count == 1
    monkeypatch.setattr(time, "monotonic", lambda: now + 21)
    known.find(key)
    assert look_up.count == 2


@pytest.mark.parametrize("gap", ["another server", "a long pause"])
def test_who_cannot_know_what_changed_remembers_nothing(
    gap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = _Counted()
    known, key = KnownKeys(look_up), ann().api_key
    assert known.find(key)
    if gap == "another server":
        known._horizon += 10**12
    else:
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + known_keys._GAP + 1)

    assert known.find(key)
    assert look_up.count == 2


def test_a_key_that_is_made_later_is_found_though_it_was_asked_for_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner, secret = ann(), keys.new_secret()
    known = KnownKeys(keys._look_up)
    assert known.find(secret) is None

    keys.create(owner.user, name="later", secret=secret)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1.1)

    assert known.find(secret)


def test_old_changes_go_and_new_ones_stay() -> None:
    ann()
    User.objects.update(time_zone="Asia/Tokyo")
    with connection.cursor() as cursor:
        assert known_keys.forget_changes() == 0
        cursor.execute("update account_access_change set at = now() - interval '2 hours'")
    User.objects.update(time_zone="UTC")

    assert known_keys.forget_changes(limit=1) == 1
    assert known_keys.forget_changes() == 0
