"""The two ways hosted servers sign webhooks: Standard Webhooks, and fal's Ed25519 over four lines.

Sources: standardwebhooks.com, section "Signature scheme"; docs.fal.ai, "Webhooks".
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Protocol

from videogen.fake_gpu import ed25519

_PREFIX = "whsec_"


class Sign(Protocol):
    """Gives the headers that carry a signature; `forged` makes one that does not verify."""

    def __call__(
        self, body: bytes, *, message_id: str, timestamp: int, forged: bool
    ) -> Mapping[str, str]: ...


def new_secret() -> str:
    """Make a secret as Standard Webhooks wants it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class StandardWebhooks:
    """HMAC-SHA256 over `id.timestamp.body`, as Replicate and OpenAI send it."""

    def __init__(self, secret: str) -> None:
        self._key = base64.b64decode(secret.removeprefix(_PREFIX))

    def __call__(
        self, body: bytes, *, message_id: str, timestamp: int, forged: bool
    ) -> Mapping[str, str]:
        signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
        key = bytes(len(self._key)) if forged else self._key
        mac = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": f"v1,{mac}",
        }


class FalSignature:
    """Ed25519 over request id, user id, timestamp and the body's hash, one on each line."""

    def __init__(self, secret: str, *, user_id: str) -> None:
        self._key = hashlib.sha256(secret.encode()).digest()
        self._user_id = user_id

    def __call__(
        self, body: bytes, *, message_id: str, timestamp: int, forged: bool
    ) -> Mapping[str, str]:
        digest = hashlib.sha256(body).hexdigest()
        lines = "\n".join((message_id, self._user_id, str(timestamp), digest))
        key = bytes(32) if forged else self._key
        return {
            "X-Fal-Webhook-Request-Id": message_id,
            "X-Fal-Webhook-User-Id": self._user_id,
            "X-Fal-Webhook-Timestamp": str(timestamp),
            "X-Fal-Webhook-Signature": ed25519.sign(key, lines.encode()).hex(),
        }

    def key_set(self) -> dict[str, object]:
        """Give the JWKS document (RFC 7517, RFC 8037) that verifies these signatures."""
        public = base64.urlsafe_b64encode(ed25519.public_key(self._key)).rstrip(b"=").decode()
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": public}]}
