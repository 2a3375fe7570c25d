"""Web push on the wire: who we are (VAPID, RFC 8292), and messages that only one browser can open (RFC 8291)."""

import base64
import binascii
import os
import time
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

# A token is good for so long, seconds; push services take a day at most.
_GOOD_FOR: Final = 12 * 3600
_KEY_BYTES: Final = 32
_POINT_BYTES: Final = 65
_AUTH_BYTES: Final = 16
_CURVE: Final = ec.SECP256R1()


class Unusable(Exception):
    """A key that cannot be one; says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Our pair of keys. `public` is what browsers subscribe with."""

    private: ec.EllipticCurvePrivateKey
    public: str


@cache
def identity(private_key: str) -> Identity:
    """Read a private key: 32 bytes in base64url, as `vapid_keys` prints it, or PEM. Raises Unusable."""
    try:
        if "BEGIN" in private_key:
            found = serialization.load_pem_private_key(private_key.encode(), password=None)
        else:
            raw = decoded(private_key)
            if len(raw) != _KEY_BYTES:
                raise Unusable(f"It has {len(raw)} bytes instead of {_KEY_BYTES}.")
            found = ec.derive_private_key(int.from_bytes(raw), _CURVE)
    except (ValueError, TypeError) as error:
        raise Unusable("It is neither base64url nor PEM.") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or found.curve.name != _CURVE.name:
        raise Unusable("It is not a key of the curve P-256.")
    return Identity(found, encoded(point_of(found.public_key())))


def ours() -> Identity:
    """Give the pair of the settings. Raises Unusable."""
    return identity(settings.VAPID_PRIVATE_KEY)


def public_key() -> str:
    """Give what browsers subscribe with. Raises Unusable."""
    return ours().public


def contact() -> str:
    """Say where push services reach whoever runs this."""
    if settings.VAPID_CONTACT:
        return str(settings.VAPID_CONTACT)
    # They take https and mailto addresses only; a developer's machine has no https.
    is_public = settings.PUBLIC_URL.startswith("https://")
    return settings.PUBLIC_URL if is_public else f"mailto:{settings.DEFAULT_FROM_EMAIL}"


def new_private_key() -> str:
    """Make a private key."""
    number = ec.generate_private_key(_CURVE).private_numbers().private_value
    return encoded(number.to_bytes(_KEY_BYTES))


def authorization(who: Identity, endpoint: str) -> str:
    """Write the header that tells a push service who sends, and how to reach them."""
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + _GOOD_FOR,
        "sub": contact(),
    }
    return f"vapid t={jwt.encode(claims, who.private, algorithm='ES256')}, k={who.public}"


def sealed_for(text: bytes, *, p256dh: str, auth: str) -> bytes:
    """Encrypt a message for one subscription, in one record of aes128gcm (RFC 8188)."""
    sealed: bytes = http_ece.encrypt(
        text,
        salt=os.urandom(16),
        private_key=ec.generate_private_key(_CURVE),
        dh=decoded(p256dh),
        auth_secret=decoded(auth),
        version="aes128gcm",
    )
    return sealed


def check_browser_key(p256dh: str) -> None:
    """Refuse what is no public key of P-256. Raises Unusable."""
    try:
        raw = decoded(p256dh)
        if len(raw) != _POINT_BYTES:
            raise Unusable("Send the browser's public key: 65 bytes in base64url.")
        ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, raw)
    except ValueError as error:
        raise Unusable("Send the browser's public key: 65 bytes in base64url.") from error


def check_browser_secret(auth: str) -> None:
    """Refuse what is no shared secret of a browser. Raises Unusable."""
    try:
        if len(decoded(auth)) == _AUTH_BYTES:
            return
    except ValueError:
        pass
    raise Unusable("Send the browser's secret: 16 bytes in base64url.")


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Write a public key as browsers do: uncompressed, 65 bytes."""
    return key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def encoded(raw: bytes) -> str:
    """Write bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Read base64url, with padding or without. Raises ValueError."""
    try:
        return base64.b64decode(
            text.strip() + "=" * (-len(text.strip()) % 4), altchars=b"-_", validate=True
        )
    except binascii.Error as error:
        raise ValueError("It is not base64url.") from error
