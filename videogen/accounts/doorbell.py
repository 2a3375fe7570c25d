"""Tells every push process to look at its open sockets now. A hint: each looks by itself every second."""

from typing import Final

from notifications import live

GROUP: Final = "access"


def ring() -> None:
    """Say that a key, a session or an account has ended. Called after the commit; never waited for."""
    live.ring(GROUP)
