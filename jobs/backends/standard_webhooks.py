"""Standard Webhooks: HMAC-SHA256 over `id.timestamp.body` (standardwebhooks.com, "Signature scheme")."""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from jobs.backends.backend import Forged

# Seconds that a message may be old, or ahead of our clock.
_TOLERANCE: Final = 300
_PREFIX: Final = "whsec_"
# A secret under rotation has two; a stranger must not make us compare thousands.
_MOST_SIGNATURES: Final = 8
# Stands in where no secret is set: nothing that it signs is believed.
_NOBODYS_KEY: Final = secrets.token_bytes(32)
_MESSAGE_ID: Final = re.compile(r"[!-~]{1,255}")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """Give the message's id, the same over redeliveries. Header names are in lower case. Raises Forged.

    As much is computed whatever is wrong, or missing, so that the time of a refusal tells nothing.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    is_formed = bool(_MESSAGE_ID.fullmatch(message_id) and _TIMESTAMP.fullmatch(timestamp))
    key = _decoded(secret.removeprefix(_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode(errors="replace") + body
    expected = hmac.digest(key or _NOBODYS_KEY, signed, hashlib.sha256)
    given = headers.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]
    # All are compared, so that the time tells nothing of which was near.
    matches = [hmac.compare_digest(_signature(one), expected) for one in given]
    if not key:
        raise Forged("No secret is set that could verify it.")
    if not is_formed:
        raise Forged("The headers of a signed webhook are missing.")
    if not any(matches):
        raise Forged("The signature is not ours.")
    if abs(now - int(timestamp)) > _TOLERANCE:
        raise Forged("The message is too old, or from the future.")
    return message_id


def _signature(entry: str) -> bytes:
    version, _, encoded = entry.partition(",")
    found = _decoded(encoded)
    return found if version == "v1" else b""


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
