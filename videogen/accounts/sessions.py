"""The devices that somebody is signed in on, and signing them out."""

from typing import Any, Final
from uuid import UUID

from allauth.account.signals import password_changed, password_reset, password_set
from allauth.usersessions.models import UserSession
from django.contrib.auth.signals import user_logged_out
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.functions import Now
from django.dispatch import receiver
from django.http import HttpRequest

from notifications import push_targets
from videogen.accounts import doorbell, tokens
from videogen.accounts.models import User

# By the index of `expire_date`; the device that a session was on goes with it.
_FORGET: Final = """
with over as (
    select session_key from django_session where expire_date < now() order by expire_date limit %s
), devices as (
    delete from usersessions_usersession device using over where device.session_key = over.session_key
)
delete from django_session gone using over where gone.session_key = over.session_key
"""


def of(user_id: UUID) -> list[UserSession]:
    """Give the devices with a live session, the latest seen first."""
    live = Session.objects.filter(expire_date__gt=Now()).values("session_key")
    return list(
        UserSession.objects.filter(user_id=user_id, session_key__in=live).order_by("-last_seen_at")
    )


def end(user_id: UUID, *, device: int) -> bool:
    """Sign one device out, its open sockets included. False where there is none."""
    return _end(UserSession.objects.filter(user_id=user_id, id=device)) > 0


def end_others(user_id: UUID, *, keep: str | None) -> int:
    """Sign every device out but the one that asks; say how many."""
    return _end(UserSession.objects.filter(user_id=user_id).exclude(session_key=keep or ""))


def forget(*, limit: int = 5_000) -> int:
    """Drop sessions that are over, in one bounded batch; say how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [limit])
        return int(cursor.rowcount)


def _end(sessions: Any) -> int:
    with transaction.atomic():
        names = list(sessions.values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=names).delete()
        UserSession.objects.filter(session_key__in=names).delete()
        push_targets.end_sessions(names)
        transaction.on_commit(_spread)
    return len(names)


def _spread() -> None:
    tokens.forget()
    doorbell.ring()


@receiver(user_logged_out)
def _stop_pushes(request: HttpRequest, **_: Any) -> None:
    """Whoever sits there next is told nothing of this person."""
    push_targets.end_sessions([request.session.session_key or ""])


@receiver([password_changed, password_set])
def _sign_others_out(request: HttpRequest, user: User, **_: Any) -> None:
    """Whoever changes a password wants nobody else to stay. The session that asks gets a new name by it."""
    end_others(user.pk, keep=request.session.session_key)
    push_targets.end_all_sessions(user.pk)


@receiver(password_reset)
def _sign_all_out(request: HttpRequest, user: User, **_: Any) -> None:
    end_others(user.pk, keep=None)
    push_targets.end_all_sessions(user.pk)
