"""What a key may do: three words, and the one table of the addresses that they open."""

from typing import Final

READ: Final = "read"
WRITE: Final = "write"
ACCOUNT: Final = "account"
ALL: Final = (READ, WRITE, ACCOUNT)
MEANINGS: Final = {
    READ: "See jobs, usage, credits and notifications",
    WRITE: "Submit, cancel and retry videos",
    ACCOUNT: "Manage keys, webhook addresses, devices and preferences",
}

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Beginning of the address, scope to read there, scope to change something there. The first that fits decides;
# an address that fits none is closed to keys.
_TABLE: Final = (
    ("/api/v1/keys", ACCOUNT, ACCOUNT),
    ("/api/v1/account/", ACCOUNT, ACCOUNT),
    ("/api/v1/webhook", READ, ACCOUNT),
    ("/api/v1/push", READ, ACCOUNT),
    ("/api/v1/devices", READ, ACCOUNT),
    ("/api/v1/notifications/preferences", READ, ACCOUNT),
    ("/api/v1/notifications", READ, WRITE),
    ("/api/v1/notification", READ, ACCOUNT),
    ("/api/v1/preferences", READ, ACCOUNT),
    ("/api/v1/quotes", READ, READ),
    ("/api/v1/jobs/quote", READ, READ),
    ("/api/v1/", READ, WRITE),
    ("/v1/webhook_endpoints", READ, ACCOUNT),
    ("/v1/", READ, WRITE),
    ("/jobs/", READ, WRITE),
    ("/ws/", READ, READ),
)


def everything() -> list[str]:
    """Give all scopes, as a new list."""
    return list(ALL)


def needed(path: str, method: str) -> str | None:
    """Give the scope that a request needs; None where no key may go."""
    for beginning, to_read, to_change in _TABLE:
        if path.startswith(beginning):
            return to_read if method in _READING else to_change
    return None
