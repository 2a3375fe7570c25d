"""Reading an owner's notification centre, and marking what was read. Only this module writes `read_at`."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from notifications.models import Notification

PAGE: Final = 50
# Beyond this a number says no more than "many"; it also bounds the count.
MOST_COUNTED: Final = 100

# The partial index of unread rows serves it; it never reads more than it counts.
_UNREAD: Final = """
select count(*) from (
    select 1 from notification where owner_id = %s and read_at is null limit %s
) unread
"""

_PAGE: Final = """
select id, name, subject_id, payload, created_at, read_at from notification
where owner_id = %s and id < %s /*unread*/ order by id desc limit %s
"""
_MARK: Final = """
update notification set read_at = case when %s then coalesce(read_at, now()) end
where owner_id = %s and id = %s
returning id, name, subject_id, payload, created_at, read_at
"""
# The primary key is the order of time: only the oldest rows are looked at, however many there are.
_FORGET: Final = """
delete from notification where id in (
    select id from (select id, created_at from notification order by id limit %(limit)s) oldest
    where created_at < now() - make_interval(days => %(days)s)
)
"""


def unread(owner_id: UUID) -> int:
    """Count what was not read, up to MOST_COUNTED."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, [owner_id, MOST_COUNTED])
        (count,) = cursor.fetchone()
    return int(count)


def forget(*, days: int, limit: int) -> int:
    """Drop notifications that are older, read or not; say how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, {"days": days, "limit": limit})
        return int(cursor.rowcount)


def newest(owner_id: UUID, *, before: int | None = None) -> tuple[list[Notification], bool]:
    """Give a page of notifications, newest first, and whether there are older ones."""
    rows = Notification.objects.filter(owner_id=owner_id).order_by("-id")
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows[: PAGE + 1])
    return found[:PAGE], len(found) > PAGE


def told(owner_id: UUID, *, subject_id: UUID) -> list[Notification]:
    """Give what the owner was told of one subject, oldest first."""
    found = Notification.objects.filter(owner_id=owner_id, subject_id=subject_id)
    return list(found.order_by("id"))


def read(owner_id: UUID, *, ids: Iterable[int]) -> int:
    """Mark some of the owner's notifications as read; give how many were not."""
    mine = Notification.objects.filter(owner_id=owner_id, read_at=None, id__in=list(ids))
    return mine.update(read_at=Now())


def read_about(owner_id: UUID, *, subject_id: UUID) -> int:
    """Mark as read what tells of one subject: its owner looks at it."""
    mine = Notification.objects.filter(owner_id=owner_id, read_at=None, subject_id=subject_id)
    return mine.update(read_at=Now())


def read_all(owner_id: UUID, *, up_to: int) -> int:
    """Mark everything as read that the owner had before them: nothing newer than `up_to`."""
    mine = Notification.objects.filter(owner_id=owner_id, read_at=None, id__lte=up_to)
    return mine.update(read_at=Now())


def page(owner_id: UUID, *, before: int, most: int, only_unread: bool) -> list[Sequence[Any]]:
    """Give an owner's notifications below a number, newest first."""
    statement = _PAGE.replace("/*unread*/", "and read_at is null" if only_unread else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, [owner_id, before, most])
        found: list[Sequence[Any]] = cursor.fetchall()
    return found


def has(owner_id: UUID, *, number: int) -> bool:
    """Say whether an owner was told this."""
    return Notification.objects.filter(owner_id=owner_id, id=number).exists()


def mark(owner_id: UUID, *, number: int, is_read: bool) -> Sequence[Any] | None:
    """Mark one as read or unread and give it; None when the owner has none of this number."""
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [is_read, owner_id, number])
        found: Sequence[Any] | None = cursor.fetchone()
    return found
