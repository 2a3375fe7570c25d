"""API keys: made once, shown once, found by digest, rotated with two live ones, revoked for good."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zlib import crc32

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Least, Now
from django.utils import timezone

from jobs.errors import JobError
from notifications import outbox, prepared
from videogen.accounts import doorbell, last_used, scopes
from videogen.accounts.access import Access, By
from videogen.accounts.known_keys import KnownKeys, Opens
from videogen.accounts.models import ApiKey, User

MOST_LIVE: Final = 50
# How long a rotated key goes on beside its successor.
OVERLAP: Final = timedelta(hours=24)
LONGEST_OVERLAP: Final = timedelta(days=7)
_PREFIX: Final = "vg_"
# Somebody can act for the person from now on.
CREATED: Final = "key.created"


class KeyRefused(JobError):
    """The key cannot be made or rotated."""

    code = "key_refused"


def new_secret() -> str:
    """Make a key: readable prefix, 160 random bits, and a checksum that finds typing errors."""
    body = f"{_PREFIX}{secrets.token_hex(4)}_{secrets.token_hex(20)}"
    return body + _checksum(body)


def create(user: User, *, name: str, secret: str | None = None) -> str:
    """Store a key with all scopes and give it; nobody can read it again. A known secret stays as it is."""
    secret = secret or new_secret()
    ApiKey.objects.get_or_create(digest=_digest(secret), defaults=_row(user, name, secret))
    return secret


def create_many(users: Sequence[User], *, name: str) -> list[str]:
    """Make a key for each user, in one statement."""
    made = [new_secret() for _ in users]
    ApiKey.objects.bulk_create(
        [
            ApiKey(**_row(user, name, secret), digest=_digest(secret))
            for user, secret in zip(users, made, strict=True)
        ]
    )
    return made


def issue(
    user: User,
    *,
    name: str,
    scopes: tuple[str, ...] = scopes.ALL,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key for somebody and give its row and its secret. Raises KeyRefused when they have too many."""
    secret = new_secret()
    with transaction.atomic():
        _lock(user.id)
        if live(user.id).count() >= MOST_LIVE:
            raise KeyRefused(f"You have {MOST_LIVE} live keys. Revoke one first.")
        key = ApiKey.objects.create(
            **_row(user, name, secret),
            digest=_digest(secret),
            scopes=list(scopes),
            expires_at=expires_at,
        )
        _announce(key)
    return key, secret


def rotate(key_id: UUID, *, user: User, overlap: timedelta = OVERLAP) -> tuple[ApiKey, str]:
    """Make a key's successor; the old one goes on for `overlap`. Raises KeyRefused.

    Raises ApiKey.DoesNotExist where the user has no such key. A key that is being replaced is not
    replaced a second time: two of a kind are live at most.
    """
    secret = new_secret()
    with transaction.atomic():
        _lock(user.id)
        old = ApiKey.objects.select_related("successor").get(id=key_id, user=user)
        if not live(user.id).filter(id=old.id).exists():
            raise KeyRefused("This key is over. Make a new one.")
        if hasattr(old, "successor"):
            raise KeyRefused("This key is being replaced already. Rotate the newer one.")
        if live(user.id).count() >= MOST_LIVE:
            raise KeyRefused(f"You have {MOST_LIVE} live keys. Revoke one first.")
        lifetime = old.expires_at - old.created_at if old.expires_at else None
        new = ApiKey.objects.create(
            **_row(user, old.name, secret),
            digest=_digest(secret),
            scopes=old.scopes,
            replaces=old,
            expires_at=timezone.now() + lifetime if lifetime else None,
        )
        _announce(new)
        # Least skips an end that is not set.
        ApiKey.objects.filter(id=old.id).update(expires_at=Least(F("expires_at"), Now() + overlap))
    return new, secret


def revoke(key_id: UUID, *, user_id: UUID) -> bool:
    """End a key for good; every process refuses it within a second. False where there is none."""
    keys = ApiKey.objects.filter(id=key_id, user_id=user_id)
    if not keys.filter(revoked_at__isnull=True).update(revoked_at=Now()):
        return keys.exists()
    forget()
    transaction.on_commit(doorbell.ring)
    return True


def live(user_id: UUID) -> QuerySet[ApiKey]:
    """Give the keys of somebody that open something now, the newest first."""
    return ApiKey.objects.filter(_LIVE, user_id=user_id).order_by("-created_at", "-id")


def access_of(secret: str) -> Access | None:
    """Find what a key opens, a suspended account included; None for anything else."""
    if not _is_well_formed(secret):
        return None
    found = _known.find(secret)
    if found is not None:
        last_used.mark_key(found.name)
    return found


def derived_secret(*, salt: str, secret_key: str) -> str:
    """Make the key that the same salt gives again: demo accounts keep theirs over restarts."""
    digest = hmac.new(secret_key.encode(), salt.encode(), hashlib.sha256).hexdigest()
    body = f"{_PREFIX}{digest[:8]}_{digest[8:48]}"
    return body + _checksum(body)


def forget() -> None:
    """Ask the database again at the next use of any key."""
    _known.forget()


_COLUMNS: Final = User._meta.concrete_fields  # noqa: SLF001 - documented API
_USER_FIELDS: Final = [field.attname for field in _COLUMNS]
# A busy API asks this for each of its keys every minute.
_OPENS: Final = f"""
select k.id, k.name, k.scopes, extract(epoch from k.expires_at - statement_timestamp())::float8,
    {", ".join(f"u.{field.column}" for field in _COLUMNS)}
from account_api_key k join account_user u on u.id = k.user_id
where k.digest = %(digest)s and k.revoked_at is null and (k.expires_at is null or k.expires_at > statement_timestamp())
    and u.is_active
"""
_LIVE: Final = Q(revoked_at__isnull=True) & (Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))


def _look_up(secret: str) -> Opens | None:
    found = prepared.run(_OPENS, {"digest": _digest(secret)})
    if not found:
        return None
    key_id, name, scopes, ends_in, *values = found[0]
    user = User.from_db(connection.alias, _USER_FIELDS, values)
    if user.suspension_id is not None:
        # Read now, while a query may be made.
        _ = user.suspension
    access = Access(
        user=user,
        by=By.KEY,
        name=str(key_id),
        sender=f"API key {name}",
        scopes=frozenset(scopes),
    )
    return Opens(access, ends_in)


_known: Final = KnownKeys(_look_up)


def _lock(user_id: UUID) -> None:
    User.objects.select_for_update(of=("self",), no_key=True).only("id").get(id=user_id)


def _row(user: User, name: str, secret: str) -> dict[str, Any]:
    return {"user": user, "name": name, "prefix": secret[: len(_PREFIX) + 8]}


def _is_well_formed(secret: str) -> bool:
    body, checksum = secret[:-6], secret[-6:]
    return secret.isascii() and secret.startswith(_PREFIX) and _checksum(body) == checksum


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()) & 0xFFFFFF:06x}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _announce(key: ApiKey) -> None:
    payload = {"name": key.name, "prefix": key.prefix, "scopes": list(key.scopes)}
    outbox.record(CREATED, subject_id=key.id, owner_id=key.user_id, payload=payload)
