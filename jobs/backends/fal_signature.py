"""Verifies fal's webhooks: Ed25519 over four lines, by any key of a published set.

Sources: docs.fal.ai, "Webhooks", section "Verifying your webhook"; RFC 7517 and RFC 8037 for the key set.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings

from jobs.backends import hosted
from jobs.backends.backend import Forged, Site
from jobs.backends.remembered import Remembered

_FAL: Final = "queue.fal.run"
_KEY_SET: Final = "/.well-known/jwks.json"
_HEADER: Final = "x-fal-webhook-"
# More keys than anybody rotates.
_MOST_KEYS: Final = 16
_KEY_BYTES: Final = 32
# A message that is further from our clock, seconds either way, may be a replay.
_TOLERANCE: Final = 300
_LONGEST_NUMBER: Final = 12
# Is as long as one, and one that takes as long to refuse.
_NO_SIGNATURE: Final = bytes(64)

Keys = tuple[Ed25519PublicKey, ...]


class FalSignatures:
    """The keys of the servers whose webhooks come."""

    def __init__(self) -> None:
        self._keys: Remembered[Keys] = Remembered()

    def verify(self, site: Site, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
        """Give the request id that was signed. Raises Forged, or BackendError when there are no keys at all.

        As much is computed whatever is wrong, or missing, so that the time of a refusal tells nothing. A signature
        of no key that we have may be by a new one: the keys are fetched again, for the next that comes.
        """
        request_id = headers.get(f"{_HEADER}request-id", "")
        timestamp = headers.get(f"{_HEADER}timestamp", "")
        digest = hashlib.sha256(body).hexdigest()
        lines = (request_id, headers.get(f"{_HEADER}user-id", ""), timestamp, digest)
        message = "\n".join(lines).encode(errors="replace")
        signature = _bytes(headers.get(f"{_HEADER}signature", ""))
        address = key_set_address(site)
        keys = self._keys.get(address, lambda: _fetch(site, address), now=now)
        is_signed = _is_by_any(keys, message, signature or _NO_SIGNATURE)
        if not request_id or not _is_recent(timestamp, now=now):
            raise Forged("The webhook has no id, or its time is not believed.")
        if not signature:
            raise Forged("The webhook's signature is none.")
        if not is_signed:
            self._keys.renew(address, lambda: _fetch(site, address), now=now)
            raise Forged("No key of the server made the webhook's signature.")
        return request_id


def key_set_address(site: Site) -> str:
    """Give the address of a server's keys: fal's stand on another host, those of others on their own."""
    if urlsplit(site.url).hostname == _FAL:
        return str(settings.FAL_KEY_SET_URL)
    return f"{site.url.rstrip('/')}{_KEY_SET}"


def _bytes(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        return b""
    return found if len(found) == len(_NO_SIGNATURE) else b""


def _is_recent(timestamp: str, *, now: float) -> bool:
    is_whole = timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _LONGEST_NUMBER
    return is_whole and abs(now - int(timestamp)) <= _TOLERANCE


def _fetch(site: Site, address: str) -> Keys:
    # Without our key: the set is open to everybody.
    reply = hosted.ask(site, "GET", address, headers={})
    found = (reply.json() or {}).get("keys")
    keys = _keys(found) if reply.is_ok and isinstance(found, list) else ()
    if not keys:
        raise hosted.unusable(reply)
    return keys


def _keys(found: list[Any]) -> Keys:
    raw = [_raw(one) for one in found[:_MOST_KEYS] if isinstance(one, dict)]
    return tuple(Ed25519PublicKey.from_public_bytes(one) for one in raw if len(one) == _KEY_BYTES)


def _raw(key: Mapping[str, Any]) -> bytes:
    text = key.get("x")
    if (key.get("kty"), key.get("crv")) != ("OKP", "Ed25519") or not isinstance(text, str):
        return b""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _is_by_any(keys: Keys, message: bytes, signature: bytes) -> bool:
    # All are tried, so that the time tells nothing of which it was.
    found = [_is_by(key, message, signature) for key in keys]
    return any(found)


def _is_by(key: Ed25519PublicKey, message: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
