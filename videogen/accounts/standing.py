"""Whether those who opened a stream may still listen: asked again each second, for all of them at once."""

import hashlib
from collections.abc import Collection, Hashable
from typing import Final

from django.conf import settings
from django.db import connection
from rest_framework.request import Request

# Digests of keys, and keys of sessions with their user, that are still good.
_GOOD_KEYS: Final = """
select k.digest from account_api_key k join account_user u on u.id = k.user_id
where k.digest = any(%s) and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now()) and u.is_active
"""
_GOOD_SESSIONS: Final = """
select s.session_key from django_session s
where s.session_key = any(%s) and s.expire_date > now()
"""
_ACTIVE: Final = "select id from account_user where id = any(%s) and is_active"


def credential_of(request: Request) -> Hashable:
    """Give what a request was let in by: a key's digest, or a session."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return "key", hashlib.sha256(secret.strip().encode()).digest(), request.user.pk
    session = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    return "session", session, request.user.pk


def refused(credentials: Collection[Hashable]) -> set[Hashable]:
    """Give those credentials that are not good any more."""
    asked = [(one, *one) for one in credentials if isinstance(one, tuple)]
    keys = [value for _, kind, value, _ in asked if kind == "key"]
    sessions = [value for _, kind, value, _ in asked if kind == "session"]
    good: set[object] = set()
    with connection.cursor() as cursor:
        if keys:
            cursor.execute(_GOOD_KEYS, [keys])
            good |= {bytes(digest) for (digest,) in cursor.fetchall()}
        if sessions:
            cursor.execute(_GOOD_SESSIONS, [sessions])
            good |= {key for (key,) in cursor.fetchall()}
        cursor.execute(_ACTIVE, [list({user for *_, user in asked})])
        active = {user for (user,) in cursor.fetchall()}
    return {one for one, _, value, user in asked if value not in good or user not in active}
