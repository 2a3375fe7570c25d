"""A job as the native API shows it: one query's values in, plain JSON values out."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from jobs import credit_policy, waiting
from jobs.backends.backend import Video
from jobs.errors import JobError
from jobs.quotes import Quote
from jobs.requests import STANDBY, VideoRequest
from jobs.states import HOLDING, TERMINAL, JobState
from jobs.waiting import Waiting

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
    "tier_id",
    "variation_of",
    "batch_id",
    "created_at",
    "due_at",
    "started_at",
    "finished_at",
    "cancel_requested_at",
    "cancel_fee",
    "video_expires_at",
    "start_by",
    "finish_by",
)

# What `of` gives, for those who ask for less.
NAMES: Final = (
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
    "waiting",
    "credits",
    "video_url",
    "video_expires_at",
    "thumbnail_url",
    "late_result",
    "error",
    "retry_of",
    "variation_of",
    "batch_id",
    "standby",
    "cancel_requested_at",
    "start_by",
    "finish_by",
    "created_at",
    "started_at",
    "finished_at",
)


def of(
    row: Mapping[str, Any], *, late: Video | None = None, why: Waiting | None = None
) -> dict[str, Any]:
    """Represent one job, with the video that came too late for it, if one did, and why it waits."""
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
        "waiting": _waiting(row, state, why),
        "credits": _credits(row, state),
        "video_url": row["video_url"] or None,
        "video_expires_at": stamp(row["video_expires_at"]),
        "thumbnail_url": row["thumbnail_url"] or None,
        "late_result": {"video_url": late.url, "thumbnail_url": late.thumbnail_url or None}
        if late
        else None,
        "error": _error(row, state),
        "retry_of": str(row["retry_of"]) if row["retry_of"] else None,
        "variation_of": str(row["variation_of"]) if row["variation_of"] else None,
        "batch_id": str(row["batch_id"]) if row["batch_id"] else None,
        "standby": row["tier_id"] == STANDBY,
        "cancel_requested_at": stamp(row["cancel_requested_at"]),
        "start_by": stamp(row["start_by"]),
        "finish_by": stamp(row["finish_by"]),
        "created_at": stamp(row["created_at"]),
        "started_at": stamp(row["started_at"]),
        "finished_at": stamp(row["finished_at"]),
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
            "cancel_fee": None,
            "video_expires_at": None,
        }
    )


def quote(request: VideoRequest, quoted: Quote) -> dict[str, Any]:
    """Represent what a request would cost and wait, beside what its caller can spend."""
    why = quoted.waiting
    return {
        "credits": quoted.credits,
        "balance": quoted.balance,
        "is_affordable": quoted.balance >= quoted.credits,
        "gpu_seconds": round(request.estimate, 1),
        "waiting": _told(why) if why else None,
        "refusal": _refusal(quoted.refusal) if quoted.refusal else None,
        "cancel": {
            "waiting": credit_policy.cancel_fee(JobState.QUEUED, reserved=request.credits),
            "running": credit_policy.cancel_fee(JobState.RUNNING, reserved=request.credits),
        },
    }


def _refusal(error: JobError) -> dict[str, Any]:
    wait = getattr(error, "retry_after_seconds", None)
    return {
        "code": error.code,
        "limit": getattr(error, "limit", "line"),
        "value": getattr(error, "value", None),
        "used": getattr(error, "used", None),
        "detail": str(error),
        "retry_after": wait,
        "standby_offered": getattr(error, "is_standby_offered", False),
    }


def _credits(row: Mapping[str, Any], state: JobState) -> dict[str, Any]:
    reserved = row["credits_reserved"]
    fee = None
    if state not in TERMINAL:
        asked = row["cancel_requested_at"] is not None
        fee = row["cancel_fee"] if asked else credit_policy.cancel_fee(state, reserved=reserved)
    # What a cancel costs now; after the end there is nothing to cancel.
    return {"reserved": reserved, "charged": row["credits_charged"], "cancel_fee": fee}


def _progress(row: Mapping[str, Any], state: JobState) -> int:
    if state in HOLDING and row["lease__percent"] is not None:
        return int(row["lease__percent"])
    return int(row["progress"])


def _waiting(row: Mapping[str, Any], state: JobState, why: Waiting | None) -> dict[str, Any] | None:
    found = why or waiting.explain(
        state=state,
        due_at=row["due_at"],
        attempt=row["attempt"],
        is_standby=row["tier_id"] == STANDBY,
    )
    if found is None or state is not JobState.QUEUED:
        return None
    return _told(found)


def _told(found: Waiting) -> dict[str, Any]:
    return {
        "reason": found.reason,
        "sentence": found.sentence,
        "position": found.position,
        "start_range": _range(found.start_range),
        "finish_range": _range(found.finish_range),
    }


def _range(moments: tuple[datetime, datetime] | None) -> list[str | None] | None:
    # Whole seconds: nobody knows it more exactly.
    return [stamp(moment.replace(microsecond=0)) for moment in moments] if moments else None


def _error(row: Mapping[str, Any], state: JobState) -> dict[str, str] | None:
    if state in HOLDING or state is JobState.SUCCEEDED or not row["error_code"]:
        return None
    return {"code": row["error_code"], "message": row["error_message"]}


def stamp(moment: datetime | None) -> str | None:
    """Write a moment as UTC, or nothing."""
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def parsed(value: Any) -> Any:
    """Give a JSON column as a value, whatever its reader made of it."""
    return json.loads(value) if isinstance(value, str) else value
