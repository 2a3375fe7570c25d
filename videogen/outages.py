"""What callers are told while the database cannot answer, and what is written down about it."""

import logging
from typing import Final

from django.db import InterfaceError, OperationalError

from videogen.error_shapes import Problem
from videogen.postgresql.stalls import DatabaseStalled

logger = logging.getLogger(__name__)

# Seconds after which it is worth another try.
RETRY_AFTER: Final = 2
PROBLEM: Final = Problem(
    status=503,
    code="database_away",
    detail=(
        "The database does not answer at this moment. Send it again after Retry-After; with the same"
        " Idempotency-Key nothing happens twice."
    ),
    retry_after=RETRY_AFTER,
)


def is_one(error: BaseException | None) -> bool:
    """Say whether this means that the database could not do its work now."""
    return isinstance(error, OperationalError | InterfaceError)


def is_stall(error: BaseException | None) -> bool:
    """Say whether the database was stopped: that is told once, not for every call that found it so."""
    return isinstance(error, DatabaseStalled) or isinstance(
        getattr(error, "__cause__", None), DatabaseStalled
    )


def note(error: BaseException) -> None:
    """Write down what went wrong, unless whoever noticed the stall did."""
    if not is_stall(error):
        logger.error("database_failed", exc_info=error)
