"""The notification centre: what an owner was told, and what they have read."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection

_PAGE: Final = """
select id, name, subject_id, payload, created_at, read_at from notification
where owner_id = %s and id < %s /*unread*/ order by id desc limit %s
"""
_MARK: Final = """
update notification set read_at = case when %s then coalesce(read_at, now()) end
where owner_id = %s and id = %s
returning id, name, subject_id, payload, created_at, read_at
"""
_MARK_ALL: Final = """
update notification set read_at = now() where owner_id = %s and read_at is null and id <= %s
"""
_UNREAD: Final = "select count(*) from notification where owner_id = %s and read_at is null"


def page(owner_id: UUID, *, before: int, most: int, only_unread: bool) -> list[Sequence[Any]]:
    """Give an owner's notifications below a number, newest first."""
    statement = _PAGE.replace("/*unread*/", "and read_at is null" if only_unread else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, [owner_id, before, most])
        found: list[Sequence[Any]] = cursor.fetchall()
    return found


def mark(owner_id: UUID, *, number: int, is_read: bool) -> Sequence[Any] | None:
    """Mark one as read or unread and give it; None when the owner has none of this number."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [is_read, owner_id, number])
        found: Sequence[Any] | None = cursor.fetchone()
    return found


def mark_all(owner_id: UUID, *, up_to: int) -> int:
    """Mark everything up to a number as read; say how many were not."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK_ALL, [owner_id, up_to])
        return int(cursor.rowcount)


def unread(owner_id: UUID) -> int:
    """Count what was not read."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, [owner_id])
        (count,) = cursor.fetchone()
    return int(count)
