"""Whether those who opened a socket or a stream may still listen: asked again each second, for all at once."""

from collections.abc import Collection, Hashable
from typing import Final

from django.db import connection
from rest_framework.request import Request

from videogen.accounts.access import Access, By

# Credentials asked about in one statement.
_BATCH: Final = 1000
_LIVE_KEYS: Final = """
select k.id::text from account_api_key k join account_user u on u.id = k.user_id
where k.id = any(%s::uuid[]) and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
    and u.is_active and u.suspension_id is null
"""
# A session row does not name its user; whoever opened the socket does.
_LIVE_SESSIONS: Final = """
select s.session_key from unnest(%s::text[], %s::uuid[]) as opened (name, user_id)
join django_session s on s.session_key = opened.name and s.expire_date > now()
join account_user u on u.id = opened.user_id and u.is_active and u.suspension_id is null
"""


def credential_of(request: Request) -> Hashable:
    """Give what a request was let in by."""
    return request.auth


def refused(credentials: Collection[Hashable]) -> set[Hashable]:
    """Give those credentials that open nothing any more: ended, or of a closed or suspended account."""
    asked = [one for one in credentials if isinstance(one, Access)]
    by_key = [one.name for one in asked if one.by is By.KEY]
    by_session = [(one.name, one.user.pk) for one in asked if one.by is By.SESSION]
    live: set[str] = set()
    with connection.cursor() as cursor:
        for at in range(0, len(by_key), _BATCH):
            cursor.execute(_LIVE_KEYS, [by_key[at : at + _BATCH]])
            live.update(name for (name,) in cursor.fetchall())
        for at in range(0, len(by_session), _BATCH):
            names, users = zip(*by_session[at : at + _BATCH], strict=True)
            cursor.execute(_LIVE_SESSIONS, [list(names), list(users)])
            live.update(name for (name,) in cursor.fetchall())
    return {one for one in asked if one.name not in live}
