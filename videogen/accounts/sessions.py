"""The devices that somebody is signed in on, and signing them out."""

from typing import Any
from uuid import UUID

from allauth.account.signals import password_changed, password_reset, password_set
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.functions import Now
from django.dispatch import receiver
from django.http import HttpRequest

from videogen.accounts import doorbell, tokens
from videogen.accounts.models import User


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


def _end(sessions: Any) -> int:
    with transaction.atomic():
        names = list(sessions.values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=names).delete()
        UserSession.objects.filter(session_key__in=names).delete()
        transaction.on_commit(_spread)
    return len(names)


def _spread() -> None:
    tokens.forget()
    doorbell.ring()


@receiver([password_changed, password_set])
def _sign_others_out(request: HttpRequest, user: User, **_: Any) -> None:
    """Whoever changes a password wants nobody else to stay."""
    end_others(user.pk, keep=request.session.session_key)


@receiver(password_reset)
def _sign_all_out(request: HttpRequest, user: User, **_: Any) -> None:
    end_others(user.pk, keep=None)
