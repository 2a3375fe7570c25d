"""What every session with PostgreSQL begins with."""

from typing import Any

_SESSION = {
    "lock_timeout": "3s",
    "statement_timeout": "15s",
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
    # What is prepared is planned once: planning the large statements anew costs more than running them.
    "plan_cache_mode": "force_generic_plan",
}


def options(process: str) -> dict[str, Any]:
    """Give what psycopg connects with; `process` is the name that an operator sees."""
    return {
        # TCP notices a server whose machine is gone; one that is stopped only our own waits do (videogen/postgresql).
        "connect_timeout": 2,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        # Without a number psycopg prepares nothing, not even what asks for it (`notifications/prepared.py`). The ORM
        # binds values on the client, where nothing is prepared.
        "prepare_threshold": 5,
        "application_name": f"videogen {process}",
        "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
    }
