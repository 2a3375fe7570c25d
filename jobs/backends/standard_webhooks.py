"""Verifies Standard Webhooks, the HMAC scheme that OpenAI and Replicate sign with.

Source: standardwebhooks.com, "Signature scheme".
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from jobs.backends.backend import Forged

# A message that is further from our clock, seconds either way, may be a replay.
_TOLERANCE: Final = 300
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"
_LONGEST_NUMBER: Final = 12


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """Give the webhook's id, once any of its signatures is right. Header names in lower case. Raises Forged."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if not message_id or not _is_recent(timestamp, now=now):
        raise Forged("The webhook has no id, or its time is not believed.")
    signed = b"%b.%b.%b" % (message_id.encode(errors="replace"), timestamp.encode(), body)
    expected = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").split()
    matches = [
        hmac.compare_digest(expected, one.removeprefix(_VERSION).encode(errors="replace"))
        for one in given
        if one.startswith(_VERSION)
    ]
    # Every signature was compared, whichever is right.
    if True not in matches:
        raise Forged("No signature of the webhook is right.")
    return message_id


def _is_recent(timestamp: str, *, now: float) -> bool:
    """Tell whether a time in Unix seconds is whole, and near enough to ours."""
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _LONGEST_NUMBER):
        return False
    return abs(now - int(timestamp)) <= _TOLERANCE


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        # With an empty key everybody could sign.
        raise Forged("There is no usable secret to verify the webhook with.")
    return key
