"""When keys and sessions were last used: marked in the process, written once a minute by a thread."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from django.db import DatabaseError, connection

logger = logging.getLogger(__name__)

# Seconds between two writes of a process.
EVERY = 60.0
# Rows of one statement, and the seconds before the next: whoever submits meanwhile does not wait behind thousands.
_AT_ONCE: Final = 100
_PAUSE: Final = 0.2
_KEYS: Final = """
update account_api_key set last_used_at = now()
where id = any(%s::uuid[]) and (last_used_at is null or last_used_at < now() - interval '50 seconds')
"""
_SESSIONS: Final = """
update usersessions_usersession set last_seen_at = now()
where session_key = any(%s) and last_seen_at < now() - interval '50 seconds'
"""

_keys: set[str] = set()
_sessions: set[str] = set()
_lock = threading.Lock()
_thread: threading.Thread | None = None


def mark_key(key_id: str) -> None:
    """Remember that a key was used. No query."""
    _mark(lambda: _keys.add(key_id))


def mark_session(session_key: str) -> None:
    """Remember that a session was used. No query."""
    _mark(lambda: _sessions.add(session_key))


def write(*, pause: Callable[[], object] = lambda: None) -> None:
    """Write what was marked since the last time, a bounded number at once, with a pause between two statements."""
    with _lock:
        marked = ((_KEYS, sorted(_keys)), (_SESSIONS, sorted(_sessions)))
        _keys.clear()
        _sessions.clear()
    parts = [
        (statement, names[first : first + _AT_ONCE])
        for statement, names in marked
        for first in range(0, len(names), _AT_ONCE)
    ]
    for number, (statement, names) in enumerate(parts):
        if number:
            pause()
        with connection.cursor() as cursor:
            cursor.execute(statement, [names])


def _mark(add: Callable[[], None]) -> None:
    global _thread  # noqa: PLW0603 - one thread per process, made when first needed
    with _lock:
        add()
        # A forked process has the object and not the thread.
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="last-used", daemon=True)
            _thread.start()


def _run() -> None:
    ends = threading.Event()
    while not ends.wait(EVERY):
        try:
            write(pause=lambda: ends.wait(_PAUSE))
        except DatabaseError:
            logger.warning("last_use_not_written", exc_info=True)
        finally:
            connection.close()
