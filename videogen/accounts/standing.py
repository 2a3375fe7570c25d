"""Whether those who opened a socket or a stream may still listen: asked again each second, for all at once."""

from collections.abc import Collection, Hashable
from typing import Final

from django.db import connection
from rest_framework.request import Request

from videogen.accounts.access import Access, By

# Credentials asked about in one statement.
_BATCH: Final = 1000
# Names go as one text each: writing down arrays of thousands would hold up whoever else is in the process.
_ENDED_KEYS: Final = """
select opened.name from unnest(string_to_array(%s, ',')) as opened (name)
where not exists (
    select from account_api_key k join account_user u on u.id = k.user_id
    where k.id = opened.name::uuid and k.revoked_at is null
        and (k.expires_at is null or k.expires_at > now())
        and u.is_active and u.suspension_id is null
)
"""
# A session row does not name its user; whoever opened the socket does.
_ENDED_SESSIONS: Final = """
select opened.name from unnest(string_to_array(%s, ','), string_to_array(%s, ',')::uuid[]) as opened (name, user_id)
where not exists (
    select from django_session s join account_user u on u.id = opened.user_id
    where s.session_key = opened.name and s.expire_date > now() and u.is_active and u.suspension_id is null
)
"""


def credential_of(request: Request) -> Hashable:
    """Give what a request was let in by."""
    return request.auth


def refused(credentials: Collection[Hashable]) -> set[Hashable]:
    """Give those credentials that open nothing any more: ended, or of a closed or suspended account."""
    asked = [one for one in credentials if isinstance(one, Access)]
    # One without a name is none.
    ended = {""}
    by_key = list({one.name for one in asked if one.by is By.KEY} - ended)
    opened_by = {one.name: str(one.user.pk) for one in asked if one.by is By.SESSION and one.name}
    by_session = list(opened_by.items())
    with connection.cursor() as cursor:
        for at in range(0, len(by_key), _BATCH):
            cursor.execute(_ENDED_KEYS, [",".join(by_key[at : at + _BATCH])])
            ended.update(name for (name,) in cursor.fetchall())
        for at in range(0, len(by_session), _BATCH):
            names, users = zip(*by_session[at : at + _BATCH], strict=True)
            cursor.execute(_ENDED_SESSIONS, [",".join(names), ",".join(users)])
            ended.update(name for (name,) in cursor.fetchall())
    return {one for one in asked if one.name in ended}
