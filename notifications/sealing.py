"""Secrets at rest: sealed with a key of the settings, so that a copy of the database opens no backend.

Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` package. The newest of SEALING_KEYS seals, any
of them opens, so that a key can be changed without entering every secret again.
"""

import base64
import hashlib
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class CannotOpen(Exception):
    """A secret was sealed with a key that the settings no longer have."""

    def __init__(self) -> None:
        super().__init__(
            "A stored secret cannot be opened: SEALING_KEYS no longer has the key that sealed it."
            " Enter the secret again, or add the old key behind the new one."
        )


def seal(secret: str) -> str:
    """Seal a secret for the database; an empty one stays empty."""
    return _box(tuple(settings.SEALING_KEYS)).encrypt(secret.encode()).decode() if secret else ""


def unseal(sealed: str) -> str:
    """Open a sealed secret. Raises CannotOpen."""
    if not sealed:
        return ""
    try:
        return _box(tuple(settings.SEALING_KEYS)).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise CannotOpen from error


def reseal(sealed: str) -> str:
    """Seal what is sealed with the newest key; give it back as it is when that sealed it. Raises CannotOpen."""
    if not sealed or _is_newest(sealed):
        return sealed
    return seal(unseal(sealed))


def _is_newest(sealed: str) -> bool:
    try:
        _box(tuple(settings.SEALING_KEYS[:1])).decrypt(sealed.encode())
    except InvalidToken:
        return False
    return True


@cache
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet(
        [
            Fernet(
                base64.urlsafe_b64encode(
                    hashlib.blake2b(key.encode(), digest_size=32, person=b"videogen-seal").digest()
                )
            )
            for key in keys
        ]
    )
