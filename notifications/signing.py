"""Signing what we send: Standard Webhooks (standardwebhooks.com), HMAC-SHA256 over `id.timestamp.body`.

A secret is `whsec_` and the base64 of its bytes: without the prefix, receivers disagree on what the key is.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"
# The specification asks for 24 to 64 bytes.
_SECRET_BYTES: Final = 32


def new_secret() -> str:
    """Make a secret for a new endpoint."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def hint(secret: str) -> str:
    """Give the end of a secret, to tell secrets apart."""
    return secret[-4:]


def headers(message_id: str, body: bytes, *, timestamp: int, keys: Sequence[str]) -> dict[str, str]:
    """Give the headers of a message, signed with each of the secrets: one, or two during a rotation."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, signed) for key in keys),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
