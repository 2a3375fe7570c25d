"""A job as an OpenAI video object: the documented fields with exactly their types, and more beside them.

Source: the OpenAI API reference, "Videos". Whatever we say beyond it only adds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from jobs import waiting
from jobs.catalog import Offer
from jobs.ids import shown_to_openai
from jobs.states import HOLDING, TERMINAL, JobState
from jobs.waiting import Waiting

# What a query must read for `of`.
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
    "estimate",
    "progress",
    "lease__percent",
    "credits_reserved",
    "credits_charged",
    "video_url",
    "thumbnail_url",
    "error_code",
    "error_message",
    "remixed_from",
    "created_at",
    "due_at",
    "start_by",
    "started_at",
    "finished_at",
    "cancel_requested_at",
    "video_expires_at",
)
# Clients stop at "completed" and "failed" only, and take any other word than these four for an end.
_STATUS: Final = {
    JobState.QUEUED: "queued",
    JobState.DISPATCHED: "queued",
    JobState.RUNNING: "in_progress",
    JobState.SUCCEEDED: "completed",
    JobState.FAILED: "failed",
    JobState.CANCELED: "failed",
    JobState.EXPIRED: "failed",
}
_ENDED_WITHOUT: Final = {JobState.CANCELED: "canceled", JobState.EXPIRED: "expired"}
# Milliseconds between two questions: a share of what is left at the soonest, since SDKs keep the first for all.
_SHORTEST_POLL: Final = 250
_LONGEST_POLL: Final = 5000
_POLLS_PER_RUN: Final = 20
_WHOLE: Final = 100


def of(row: Mapping[str, Any], *, why: Waiting | None = None) -> dict[str, Any]:
    """Represent one job; `why` it waits, where that was looked up."""
    state = JobState(row["state"])
    is_done = state is JobState.SUCCEEDED
    found = {
        "id": shown_to_openai(row["id"]),
        "object": "video",
        "status": _STATUS[state],
        "progress": progress(row),
        "created_at": _unix(row["created_at"]),
        "completed_at": _unix(row["finished_at"]) if is_done else None,
        "expires_at": _unix(row["video_expires_at"]),
        "model": row["model"],
        "prompt": row["prompt"],
        "seconds": str(row["seconds"]),
        "size": row["size"],
        "remixed_from_video_id": shown_to_openai(row["remixed_from"])
        if row["remixed_from"]
        else None,
        "error": _error(row, state),
        "state": state.value,
        "seed": row["seed"],
        "cancel_requested": row["cancel_requested_at"] is not None,
        "credits": {"reserved": row["credits_reserved"], "charged": row["credits_charged"]},
    }
    return found | _waiting(row, state, why) | _inference(row)


def as_submitted(row: Mapping[str, Any]) -> dict[str, Any]:
    """Represent a job as its submission was answered, whatever became of it since."""
    return of(
        {
            **row,
            "state": JobState.QUEUED,
            "attempt": 0,
            "progress": 0,
            "lease__percent": None,
            "credits_charged": 0,
            "due_at": None,
            "started_at": None,
            "finished_at": None,
            "cancel_requested_at": None,
            "video_expires_at": None,
        }
    )


def etag(row: Mapping[str, Any], *, moment: int) -> str:
    """Name what `of` would say; `moment` is that of what is said of its line."""
    shown = moment if row["state"] == JobState.QUEUED else 0
    return f'W/"{row["version"]}.{progress(row)}.{shown}"'


def poll_after(row: Mapping[str, Any], *, why: Waiting | None, now: datetime) -> int | None:
    """Say in how many milliseconds to ask again; None when nothing will change."""
    state = JobState(row["state"])
    if state in TERMINAL:
        return None
    left = row["estimate"] * (_WHOLE - progress(row)) / _WHOLE
    if why is not None and why.start_range is not None:
        left += max(0.0, (why.start_range[0] - now).total_seconds())
    return int(min(_LONGEST_POLL, max(_SHORTEST_POLL, 1000 * left / _POLLS_PER_RUN)))


def progress(row: Mapping[str, Any]) -> int:
    """Give percent done, 0 to 100."""
    if row["state"] in HOLDING and row["lease__percent"] is not None:
        return int(row["lease__percent"])
    return int(row["progress"])


def page(
    rows: Sequence[Mapping[str, Any]], *, whys: Mapping[UUID, Waiting], has_more: bool
) -> dict[str, Any]:
    """Represent one page of a list. Without `has_more` clients would ask for ever."""
    found = [of(row, why=whys.get(row["id"])) for row in rows]
    return {
        "object": "list",
        "data": found,
        "has_more": has_more,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
    }


def deleted(video_id: str) -> dict[str, Any]:
    """Represent a deletion."""
    return {"id": video_id, "object": "video.deleted", "deleted": True}


def model(offer: Offer) -> dict[str, Any]:
    """Represent one model."""
    return {
        "id": offer.model,
        "object": "model",
        "created": offer.since,
        "owned_by": "videogen",
        "seconds": [str(length) for length in offer.seconds],
        "sizes": list(offer.sizes),
        "takes_image": offer.takes_image,
        "can_remix": offer.can_remix,
    }


def _error(row: Mapping[str, Any], state: JobState) -> dict[str, str] | None:
    if _STATUS[state] != "failed":
        return None
    code = _ENDED_WITHOUT.get(state) or row["error_code"] or "generation_failed"
    return {"code": code, "message": row["error_message"] or "The video was not made."}


def _waiting(row: Mapping[str, Any], state: JobState, why: Waiting | None) -> dict[str, Any]:
    found = why or waiting.explain(state=state, due_at=row["due_at"], attempt=row["attempt"])
    if found is None:
        return {}
    ranges = {"estimated_start": found.start_range, "estimated_finish": found.finish_range}
    return {
        "wait_reason": found.reason,
        "wait_sentence": found.sentence,
        "queue_position": found.position,
        **{
            name: [_unix(one) for one in range_] if range_ else None
            for name, range_ in ranges.items()
        },
    }


def _inference(row: Mapping[str, Any]) -> dict[str, float]:
    if row["state"] != JobState.SUCCEEDED or not row["started_at"]:
        return {}
    took = row["finished_at"] - row["started_at"]
    return {"inference_time_s": round(took.total_seconds(), 3)}


def _unix(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
