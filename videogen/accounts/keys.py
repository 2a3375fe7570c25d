"""API keys: made once, shown once, found by digest, remembered for a second in each process."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from django.db.models import Q
from django.utils import timezone

from videogen.accounts.models import ApiKey, User

# A revoked key or a deactivated user is refused within this time, seconds.
_TRUSTED_FOR: Final = 1.0
_MOST_REMEMBERED: Final = 20_000
_PREFIX: Final = "vg_"


@dataclass(frozen=True, slots=True)
class _Remembered:
    user: User | None
    until: float


_remembered: dict[bytes, _Remembered] = {}


def new_secret() -> str:
    """Make a key: readable prefix, 160 random bits, and a checksum that finds typing errors."""
    body = f"{_PREFIX}{secrets.token_hex(4)}_{secrets.token_hex(20)}"
    return body + _checksum(body)


def create(user: User, *, name: str, secret: str | None = None) -> str:
    """Store a key's digest and give the key, which nobody can read again."""
    secret = secret or new_secret()
    row = _row(user, secret, name=name)
    ApiKey.objects.get_or_create(
        digest=row.digest, defaults={"user": user, "name": name, "prefix": row.prefix}
    )
    return secret


def create_many(users: Sequence[User], *, name: str) -> list[str]:
    """Make a key for each user, in one statement."""
    made = [new_secret() for _ in users]
    ApiKey.objects.bulk_create(
        [_row(user, secret, name=name) for user, secret in zip(users, made, strict=True)]
    )
    return made


def _row(user: User, secret: str, *, name: str) -> ApiKey:
    return ApiKey(user=user, name=name, prefix=secret[: len(_PREFIX) + 8], digest=_digest(secret))


def derived_secret(*, salt: str, secret_key: str) -> str:
    """Make the key that the same salt gives again: demo accounts keep theirs over restarts."""
    digest = hmac.new(secret_key.encode(), salt.encode(), hashlib.sha256).hexdigest()
    body = f"{_PREFIX}{digest[:8]}_{digest[8:48]}"
    return body + _checksum(body)


def user_of(secret: str) -> User | None:
    """Find the active user of a live key; None for anything else."""
    if not _is_well_formed(secret):
        return None
    digest = _digest(secret)
    now = time.monotonic()
    known = _remembered.get(digest)
    if known and known.until > now:
        return known.user
    user = _look_up(digest)
    if len(_remembered) >= _MOST_REMEMBERED:
        _remembered.clear()
    _remembered[digest] = _Remembered(user=user, until=now + _TRUSTED_FOR)
    return user


def _look_up(digest: bytes) -> User | None:
    found = (
        ApiKey.objects.select_related("user")
        .filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=timezone.now()),
            digest=digest,
            revoked_at__isnull=True,
            user__is_active=True,
        )
        .first()
    )
    return found.user if found else None


def _is_well_formed(secret: str) -> bool:
    body, checksum = secret[:-6], secret[-6:]
    return secret.isascii() and secret.startswith(_PREFIX) and _checksum(body) == checksum


def _checksum(body: str) -> str:
    return f"{crc32(body.encode()) & 0xFFFFFF:06x}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def forget() -> None:
    """Ask the database again at the next use of any key."""
    _remembered.clear()
