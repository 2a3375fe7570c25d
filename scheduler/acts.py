"""The log of what operators did in the console. Its only writer."""

from typing import Final

from jobs.errors import InvalidField
from scheduler.models import Act

_LONGEST_SUBJECT: Final = 200
_LONGEST_OUTCOME: Final = 500
LONGEST_REASON: Final = 300


def reason_of(text: str) -> str:
    """Give the reason of an act, without the space around it. Raises InvalidField without one."""
    reason = text.replace("\x00", "").strip()
    if not reason:
        raise InvalidField(
            "reason", "Say why: it goes into the log, and the next operator reads it."
        )
    if len(reason) > LONGEST_REASON:
        raise InvalidField("reason", f"Say it in at most {LONGEST_REASON} characters.")
    return reason


def record(actor: str, verb: str, subject: str, *, reason: str, outcome: str) -> Act:
    """Write an act down, in the caller's transaction where there is one."""
    return Act.objects.create(
        actor=actor,
        verb=verb,
        subject=subject[:_LONGEST_SUBJECT],
        reason=reason,
        outcome=outcome[:_LONGEST_OUTCOME],
    )
