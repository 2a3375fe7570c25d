"""The way out of mail: an address that turns one event off for one person, by one click (RFC 8058).

The address is signed and does not expire: mail is read years later, and the worst that a leaked one does is silence.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.conf import settings
from django.core import signing

_SALT: Final = "videogen.unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class WayOut:
    """What an address turns off."""

    owner_id: UUID
    name: str
    channel: str


def address(owner_id: UUID, name: str, channel: str) -> str:
    """Give the address that turns an event off."""
    token = signing.Signer(salt=_SALT).sign_object([owner_id.hex, name, channel], compress=False)
    return f"{settings.PUBLIC_URL}/unsubscribe/{token}"


def read(token: str) -> WayOut | None:
    """Give what a token turns off; None for one that is not ours."""
    try:
        owner, name, channel = signing.Signer(salt=_SALT).unsign_object(token)
    except (signing.BadSignature, ValueError):
        return None
    return WayOut(owner_id=UUID(owner), name=name, channel=channel)
