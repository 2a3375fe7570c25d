"""Who came in, by what, and what that may do; remembered for a second in each process."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from rest_framework.exceptions import PermissionDenied

from videogen.accounts import scopes
from videogen.accounts.models import User

# What was revoked or suspended is refused everywhere within this time, seconds.
TRUSTED_FOR: Final = 1.0
_MOST_REMEMBERED: Final = 20_000


class By(StrEnum):
    """What somebody shows to be let in."""

    KEY = "key"
    # A session: the cookie of a browser, or the token of an app.
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A live credential. `name` is a key's id, or a session's key; `sender` what its person knows it by."""

    user: User
    by: By
    name: str
    sender: str = ""
    scopes: frozenset[str] = frozenset(scopes.ALL)

    @property
    def session(self) -> str:
        """Give the session that it is; empty for a key."""
        return self.name if self.by is By.SESSION else ""


class AccountSuspended(PermissionDenied):
    """The account is closed by an administrator."""

    default_code = "account_suspended"

    def __init__(self, reason: str) -> None:
        super().__init__(told(reason))


class ScopeMissing(PermissionDenied):
    """The key is live, and may not do this."""

    default_code = "scope_missing"

    def __init__(self, scope: str | None, *, has: frozenset[str]) -> None:
        can = ", ".join(one for one in scopes.ALL if one in has)
        super().__init__(
            f"This key may {can}; this needs {scope}. Use a key with the scope {scope}."
            if scope
            else "API keys cannot be used here. Sign in instead."
        )


class Memory:
    """Answers of a look-up, kept for a second, so that a busy key costs one query a second."""

    def __init__(self, look_up: Callable[[str], Access | None]) -> None:
        self._look_up = look_up
        self._known: dict[str, tuple[Access | None, float]] = {}

    def find(self, secret: str) -> Access | None:
        """Give the access that a secret opens, at most a second old; None for none."""
        now = time.monotonic()
        known = self._known.get(secret)
        if known and known[1] > now:
            return known[0]
        found = self._look_up(secret)
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[secret] = (found, now + TRUSTED_FOR)
        return found

    def forget(self) -> None:
        """Ask the database again at the next use."""
        self._known.clear()


def check(access: Access, *, path: str, method: str) -> None:
    """Refuse what this access may not do. Raises AccountSuspended, ScopeMissing."""
    # The column first: the suspension itself is looked for in a cache of relations.
    if access.user.suspension_id is not None and access.user.suspension is not None:
        raise AccountSuspended(access.user.suspension.reason)
    if access.by is By.KEY:
        scope = scopes.needed(path, method)
        if scope not in access.scopes:
            raise ScopeMissing(scope, has=access.scopes)


def told(reason: str) -> str:
    """Say to a suspended person what happened, what it means, what to do."""
    return (
        f"This account is suspended: {reason.rstrip('.')}. Nothing can be submitted; what was running"
        " finishes. Write to your administrator to have it looked at."
    )
