"""Ed25519 signatures (RFC 8032, section 5.1) with nothing but integers.

Slow and not hardened against timing: it signs invented webhooks, never anything of value.
"""

import hashlib
from typing import Final

_P: Final = 2**255 - 19
# The order of the base point.
_L: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_BASE_Y: Final = 4 * pow(5, -1, _P) % _P
_BASE_X: Final = 15112221349535400772501151409588531511454012693041857206046113283949847762202

# Extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
Point = tuple[int, int, int, int]
_BASE: Final[Point] = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
_NEUTRAL: Final[Point] = (0, 1, 1, 0)


def public_key(secret: bytes) -> bytes:
    """Give the public key of 32 secret bytes."""
    scalar, _ = _expand(secret)
    return _compress(_times(scalar, _BASE))


def sign(secret: bytes, message: bytes) -> bytes:
    """Sign with 32 secret bytes; 64 bytes."""
    scalar, prefix = _expand(secret)
    public = _compress(_times(scalar, _BASE))
    nonce = _hash(prefix + message) % _L
    commitment = _compress(_times(nonce, _BASE))
    challenge = _hash(commitment + public + message) % _L
    return commitment + ((nonce + challenge * scalar) % _L).to_bytes(32, "little")


def _expand(secret: bytes) -> tuple[int, bytes]:
    digest = hashlib.sha512(secret).digest()
    scalar = int.from_bytes(digest[:32], "little")
    return scalar & ((1 << 254) - 8) | (1 << 254), digest[32:]


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little")


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(scalar: int, point: Point) -> Point:
    product = _NEUTRAL
    while scalar:
        if scalar & 1:
            product = _add(product, point)
        point = _add(point, point)
        scalar >>= 1
    return product


def _compress(point: Point) -> bytes:
    inverse = pow(point[2], -1, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")
