"""What keys open, as a process remembers it, and what makes it forget.

Every change of a key or of its user leaves a row (`account_access_change`, by triggers). A process looks for new rows
twice a second, all its keys at once, and trusts what it remembers only while its last look is younger than a second:
a busy key costs no query of its own, and one that was revoked anywhere is refused everywhere within that second.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection

from notifications import prepared
from videogen.accounts.access import TRUSTED_FOR, Access

# A process that is in use looks so often, seconds.
LOOK_EVERY = TRUSTED_FOR / 2
# Without any change, a key is looked up again after this time, seconds.
_LONGEST: Final = 60.0
_MOST_REMEMBERED: Final = 20_000
# Rows are kept for so long; who did not look for a tenth of it remembers nothing, seconds.
KEPT_SECONDS: Final = 3_600.0
_GAP: Final = KEPT_SECONDS / 10

# What transactions wrote that an earlier look could not see, and the oldest one that this look does not see whole.
_LOOK: Final = """
select array(
    select distinct user_id::text from account_access_change where written_by >= %s::text::xid8
), pg_snapshot_xmin(pg_current_snapshot())::text
"""
_FORGET: Final = """
delete from account_access_change where id in (
    select id from account_access_change where at < now() - make_interval(secs => %s) order by at limit %s
)
"""


class Opens(NamedTuple):
    """What a live key opens, and for how many seconds it lives on; None without an end."""

    access: Access
    ends_in: float | None


class KnownKeys:
    """Answers of a look-up, kept while nothing is known to have changed. Threads may share it."""

    def __init__(self, look_up: Callable[[str], Opens | None]) -> None:
        self._look_up = look_up
        self._known: dict[str, tuple[Access, float]] = {}
        self._secrets_of: defaultdict[UUID, set[str]] = defaultdict(set)
        # What was no key may be one a moment later, and no row tells of it.
        self._unknown: dict[str, float] = {}
        self._looking = threading.Lock()
        self._changing = threading.Lock()
        self._looked_at = float("-inf")
        self._horizon = 0
        # Grows with every forgetting: a look-up that began before it may have read what has changed since.
        self._round = 0

    def find(self, secret: str) -> Access | None:
        """Give the access that a secret opens, true at some moment of the last second; None for none."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_EVERY:
            self._look()
        if known := self._known.get(secret):
            if known[1] > now:
                return known[0]
        elif self._unknown.get(secret, 0.0) > now:
            return None
        began_in = self._round
        found = self._look_up(secret)
        with self._changing:
            if began_in == self._round:
                self._remember(secret, found, now=now)
        return found.access if found else None

    def forget(self) -> None:
        """Ask the database again at the next use of any key."""
        with self._changing:
            self._clear()

    def _clear(self) -> None:
        self._round += 1
        self._known.clear()
        self._unknown.clear()
        self._secrets_of.clear()

    def _remember(self, secret: str, found: Opens | None, *, now: float) -> None:
        if found is None:
            if len(self._unknown) >= _MOST_REMEMBERED:
                self._unknown.clear()
            self._unknown[secret] = now + TRUSTED_FOR
            self._known.pop(secret, None)
            return
        if len(self._known) >= _MOST_REMEMBERED:
            self._clear()
        lasts = _LONGEST if found.ends_in is None else min(_LONGEST, found.ends_in)
        self._secrets_of[found.access.user.pk].add(secret)
        self._known[secret] = found.access, now + lasts

    def _look(self) -> None:
        """Forget whom a change concerns. One thread does; others wait for it only when they may not go on."""
        is_urgent = time.monotonic() - self._looked_at > TRUSTED_FOR
        if not self._looking.acquire(blocking=is_urgent):
            return
        try:
            began = time.monotonic()
            if began - self._looked_at <= LOOK_EVERY:
                return
            ((changed, oldest),) = prepared.run(_LOOK, [str(self._horizon)])
            # A server that counts from less than before is another one, as after a restore.
            if began - self._looked_at > _GAP or int(oldest) < self._horizon:
                self.forget()
            else:
                self._forget_keys_of(changed)
            self._horizon, self._looked_at = int(oldest), began
        finally:
            self._looking.release()

    def _forget_keys_of(self, users: Iterable[str]) -> None:
        with self._changing:
            self._round += 1
            for user in users:
                for secret in self._secrets_of.pop(UUID(user), ()):
                    self._known.pop(secret, None)


def forget_changes(*, limit: int = 10_000) -> int:
    """Delete rows that every process has seen; say how many."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [KEPT_SECONDS, limit])
        return int(cursor.rowcount)
