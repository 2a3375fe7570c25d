"""Ids by which receivers know a message again: made from what it is about, so that no crash can change them."""

from urllib.parse import urlsplit
from uuid import UUID, uuid5

from django.conf import settings


def public_id(subject_id: UUID, what: str) -> str:
    """Name an event for users' programs; the same for every endpoint and every try."""
    return f"evt_{uuid5(subject_id, what).hex}"


def mail_id(subject_id: UUID, what: str) -> str:
    """Name a mail (RFC 5322, Message-ID)."""
    return f"<{uuid5(subject_id, what).hex}@{urlsplit(settings.PUBLIC_URL).hostname}>"
