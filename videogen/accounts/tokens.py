"""Session tokens of apps: `X-Session-Token`, the key of a session that signed in completely."""

from typing import Final

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare

from videogen.accounts import last_used
from videogen.accounts.access import Access, By, Memory
from videogen.accounts.models import User

_LONGEST: Final = 40


def access_of(token: str) -> Access | None:
    """Find what a token opens, a suspended account included; None for anything else."""
    if not token.isascii() or not token.isalnum() or len(token) > _LONGEST:
        return None
    return _memory.find(token)


def forget() -> None:
    """Ask the database again at the next use of any token."""
    _memory.forget()


def _look_up(token: str) -> Access | None:
    data = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=Now())
    found = (
        UserSession.objects.select_related("user__suspension")
        .filter(session_key=token, user__is_active=True)
        .annotate(session_data=Subquery(data.values("session_data")))
        .first()
    )
    if found is None or found.session_data is None or not _is_of(found.user, found.session_data):
        return None
    last_used.mark_session(token)
    return Access(user=found.user, by=By.SESSION, name=token, sender="An app")


def _is_of(user: User, data: str) -> bool:
    """A session of half a sign-in names nobody; one from before a new password has the old hash."""
    session = SessionStore().decode(data)
    shown = str(session.get(HASH_SESSION_KEY, ""))
    return session.get(SESSION_KEY) == str(user.pk) and any(
        constant_time_compare(shown, known)
        for known in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    )


_memory: Final = Memory(_look_up)
