"""A job as the native API shows it: one query's values in, plain JSON values out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jobs import waiting
from jobs.states import HOLDING, JobState

# What a query must read for `of`; the lease is there only while an attempt holds a slot.
FIELDS: Final = (
    "id",
    "state",
    "version",
    "attempt",
    "prompt",
    "model",
    "seconds",
    "size",
    "seed",
    "progress",
    "lease__percent",
    "credits_reserved",
    "credits_charged",
    "video_url",
    "thumbnail_url",
    "error_code",
    "error_message",
    "retry_of",
    "created_at",
    "due_at",
    "started_at",
    "finished_at",
    "cancel_requested_at",
)


def of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Represent one job."""
    state = JobState(row["state"])
    return {
        "id": str(row["id"]),
        "state": state.value,
        "version": row["version"],
        "attempt": row["attempt"],
        "prompt": row["prompt"],
        "model": row["model"],
        "seconds": row["seconds"],
        "size": row["size"],
        "seed": row["seed"],
        "progress": _progress(row, state),
        "waiting": _waiting(row, state),
        "credits": {"reserved": row["credits_reserved"], "charged": row["credits_charged"]},
        "video_url": row["video_url"] or None,
        "thumbnail_url": row["thumbnail_url"] or None,
        "error": _error(row, state),
        "retry_of": str(row["retry_of"]) if row["retry_of"] else None,
        "cancel_requested_at": _stamp(row["cancel_requested_at"]),
        "created_at": _stamp(row["created_at"]),
        "started_at": _stamp(row["started_at"]),
        "finished_at": _stamp(row["finished_at"]),
    }


def as_submitted(row: Mapping[str, Any]) -> dict[str, Any]:
    """Represent a job as its submission was answered, whatever became of it since.

    A replay must be the first answer again, byte for byte; only what never changes is read.
    """
    return of(
        {
            **row,
            "state": JobState.QUEUED,
            "version": 1,
            "attempt": 0,
            "progress": 0,
            "lease__percent": None,
            "credits_charged": 0,
            "video_url": "",
            "thumbnail_url": "",
            "error_code": "",
            "error_message": "",
            "due_at": None,
            "started_at": None,
            "finished_at": None,
            "cancel_requested_at": None,
        }
    )


def _progress(row: Mapping[str, Any], state: JobState) -> int:
    if state in HOLDING and row["lease__percent"] is not None:
        return int(row["lease__percent"])
    return int(row["progress"])


def _waiting(row: Mapping[str, Any], state: JobState) -> dict[str, Any] | None:
    found = waiting.explain(state=state, due_at=row["due_at"], attempt=row["attempt"])
    if found is None:
        return None
    return {
        "reason": found.reason,
        "sentence": found.sentence,
        "position": found.position,
        "start_range": found.start_range,
        "finish_range": found.finish_range,
    }


def _error(row: Mapping[str, Any], state: JobState) -> dict[str, str] | None:
    if state in HOLDING or state is JobState.SUCCEEDED or not row["error_code"]:
        return None
    return {"code": row["error_code"], "message": row["error_message"]}


def _stamp(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
