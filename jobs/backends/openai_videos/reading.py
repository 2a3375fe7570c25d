"""Reads what servers of /v1/videos say, in whatever shape: jobs, lists, moments and errors."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urljoin

from jobs.backends import results
from jobs.backends.backend import (
    Failed,
    Finished,
    Sighting,
    Site,
    StillRunning,
    StillWaiting,
    Video,
)
from jobs.backends.openai_videos.profiles import Meaning, Profile
from jobs.failures import FailureKind

logger = logging.getLogger(__name__)

# Shown to owners, and to operators.
_LONGEST_MESSAGE: Final = 200
_LONGEST_DETAIL: Final = 300
_LONGEST_WORD: Final = 64
# What servers call their capacity in their answer about health.
_CAPACITY: Final = ("slots", "max_concurrency", "max_concurrent_requests")
_MOST_SLOTS: Final = 10_000
# The year 3000, Unix seconds: what is later is a mistake, or milliseconds.
_LATEST: Final = 32_503_680_000
# Printable, and no path of its own: "." and ".." would name another address.
_ID: Final = re.compile(r"(?!\.{1,2}$)[!-~]{1,255}")
_REFUSED_CONTENT: Final = re.compile(
    r"content.?(policy|filter)|moderation|safety|sentinel|nsfw|inappropriate", re.IGNORECASE
)
# What belongs to a server's inside: addresses, paths, traces.
_INSIDE: Final = re.compile(
    r"://|(^|[\s'\"(=:])[~.]{0,2}/\w|[A-Za-z]:\\|\d+\.\d+\.\d+\.\d+|Traceback|0x[0-9a-f]{6}|localhost",
    re.IGNORECASE,
)
_OF_REQUEST: Final = frozenset({"400", "413", "415", "422"})
# How servers name a job's id, its state, its video's address and its failure, the usual name first.
_IDS: Final = ("id", "video_id", "task_id", "job_id")
_STATES: Final = ("status", "state", "task_status")
_ADDRESSES: Final = ("video_url", "download_url", "output_url")
_REASONS: Final = ("error", "detail", "error_message", "fail_reason", "failure_reason", "message")
# What some put around a job, around a list of jobs, and around an address.
_ENVELOPES: Final = ("data", "video", "job", "task", "result")
_LISTS: Final = ("data", "videos", "items", "results", "jobs", "tasks")
_OUTPUTS: Final = ("video", "output", "result")
_PERCENT: Final = re.compile(r"\s*(\d{1,3}(?:\.\d{1,9})?)\s*%?\s*")
# Later than any second of our days is a count of milliseconds.
_MILLISECONDS: Final = 1000
_INVALID: Final = re.compile(r"invalid_|unknown_parameter|unsupported_|mismatch|BadRequest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """What a server says of a failure, of a request or of a job."""

    code: str = ""
    message: str = ""

    @property
    def is_content_policy(self) -> bool:
        """Tell whether the content was refused; some servers say it in words only."""
        return bool(_REFUSED_CONTENT.search(f"{self.code} {self.message}"))

    @property
    def is_invalid_request(self) -> bool:
        """Tell whether the request is at fault."""
        return self.code in _OF_REQUEST or bool(_INVALID.search(self.code))

    def for_owner(self, kind: FailureKind) -> str:
        """Give the server's words where an owner can use them and they say nothing of its inside."""
        text = printable(self.message)
        is_sane = 0 < len(text) <= _LONGEST_MESSAGE and not _INSIDE.search(text)
        return text if is_sane else kind.sentence


def printable(text: str) -> str:
    """Put a stranger's text on one line, without what breaks terminals and databases."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def identifier(body: Any) -> str:
    """Give the id of a job object, which may be a number; empty when it is none that can be used."""
    for name in _IDS:
        found = body.get(name) if isinstance(body, dict) else None
        if isinstance(found, int) and not isinstance(found, bool):
            found = str(found)
        if isinstance(found, str) and _ID.fullmatch(found):
            return found
    return ""


def state(body: Mapping[str, Any]) -> str | None:
    """Give a job's word for its state, as such words are compared; None when it has none."""
    found = next((body[name] for name in _STATES if isinstance(body.get(name), str)), None)
    return None if found is None else re.sub(r"[\s-]+", "_", found.strip().lower())


def is_job(body: Any) -> bool:
    """Tell a job from an error, whatever the HTTP status was."""
    return bool(identifier(body)) and state(body) is not None


def job(body: Any) -> dict[str, Any] | None:
    """Give the job of an answer, bare or in an envelope; None when what is there has no id."""
    if not isinstance(body, dict):
        return None
    found = [one for one in (body, *map(body.get, _ENVELOPES)) if identifier(one)]
    return next(filter(is_job, found), next(iter(found), None))


def error(body: Any) -> Error:
    """Read an error in any of the shapes: `error` or `detail`, an object, a list of FastAPI, or text."""
    found = body
    if isinstance(body, dict):
        found = next((body[name] for name in ("error", "detail") if body.get(name)), body)
    if isinstance(found, list):
        # FastAPI's validation: [{"loc": [...], "msg": "..."}].
        found = next(iter(found), None)
    if isinstance(found, str):
        return Error(message=found)
    if not isinstance(found, dict):
        return Error()
    code = found.get("code") or found.get("type")
    message = next((found[name] for name in ("message", "msg", "title") if found.get(name)), "")
    return Error(
        code=str(code)[:_LONGEST_WORD] if isinstance(code, str | int) else "",
        message=message if isinstance(message, str) else "",
    )


def entries(body: Any) -> list[dict[str, Any]] | None:
    """Give the jobs of a list, bare or in an envelope or two; None when it is no list."""
    for _ in range(2):
        if isinstance(body, dict):
            body = next(
                (body[name] for name in _LISTS if isinstance(body.get(name), list | dict)), None
            )
    if not isinstance(body, list):
        return None
    return [found for one in body if (found := job(one)) is not None and is_job(found)]


def moment(value: Any) -> float | None:
    """Give a time in Unix seconds, from seconds, milliseconds or ISO 8601; None for what is no time of our days."""
    if isinstance(value, str):
        # Eight digits may be a date; of as many as a time in seconds has, there is no other reading.
        is_number = re.fullmatch(r"\d{9,16}(?:\.\d{1,9})?", value, re.ASCII)
        found = _counted(float(value)) if is_number else _written(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        found = _counted(value)
    else:
        return None
    return float(found) if 0 < found < _LATEST else None


def _counted(number: float) -> float:
    is_milliseconds = _LATEST <= number < _LATEST * _MILLISECONDS
    return number / _MILLISECONDS if is_milliseconds else number


def _written(text: str) -> float:
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.replace(tzinfo=parsed.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def slots(body: Any) -> int | None:
    """Give how many jobs a server says that it works on at once; None when it does not say."""
    told = (body.get(name) for name in _CAPACITY) if isinstance(body, dict) else ()
    whole = (one for one in told if isinstance(one, int) and not isinstance(one, bool))
    return next((one for one in whole if 0 < one <= _MOST_SLOTS), None)


def sighting(body: Mapping[str, Any], site: Site, profile: Profile) -> Sighting:
    """Say what a job object means."""
    word = state(body) or ""
    match profile.words.get(word):
        case Meaning.WAITING:
            return StillWaiting()
        case Meaning.RUNNING:
            return StillRunning(percent=_percent(body, profile))
        case Meaning.FINISHED:
            return _finished(body, site, profile)
        case Meaning.FAILED:
            return _failed(body, word, site)
        case None:
            logger.warning("Pool %s: unknown status %r", site.pool, word[:_LONGEST_WORD])
            return StillRunning(percent=_percent(body, profile))


def _percent(body: Mapping[str, Any], profile: Profile) -> int | None:
    found = body.get("progress")
    if isinstance(found, str) and (text := _PERCENT.fullmatch(found)):
        found = float(text[1])
    if not profile.has_progress or isinstance(found, bool) or not isinstance(found, int | float):
        return None
    if profile.may_count_to_one and isinstance(found, float) and 0 < found < 1:
        found *= 100
    # Compared first: an infinity is no int, and a NaN is in no range.
    return int(min(found, 100)) if found >= 0 else None


def _finished(body: Mapping[str, Any], site: Site, profile: Profile) -> Finished | Failed:
    ends_at = moment(body.get("expires_at"))
    expires_at = None if ends_at is None else datetime.fromtimestamp(ends_at, UTC)
    url = next(_urls(body, site), "") if profile.has_result_url else ""
    if not url:
        return Finished(video=Video(url="", is_content=True, expires_at=expires_at))
    if not results.allowed(url, site):
        detail = f"The result is at an address that is not allowed: {printable(url)}"
        return _broken(detail)
    return Finished(video=Video(url=url, expires_at=expires_at))


def _urls(body: Mapping[str, Any], site: Site) -> Iterator[str]:
    """Give the addresses that a job names: `url` as it is, those of other names only where they are allowed."""
    several = body.get("urls")
    for found in (body.get("url"), *(several if isinstance(several, list) else ())):
        if isinstance(found, str) and found:
            yield _absolute(found, site)
    inner = [body[name] for name in _OUTPUTS if isinstance(body.get(name), dict)]
    for found in [*map(body.get, _ADDRESSES), *(one.get("url") for one in inner)]:
        # Nobody has said what they are: an address elsewhere is left, and the file asked for by its id.
        if isinstance(found, str) and found and results.allowed(_absolute(found, site), site):
            yield _absolute(found, site)


def _absolute(url: str, site: Site) -> str:
    return urljoin(site.url, url) if url.startswith("/") and not url.startswith("//") else url


def _failed(body: Mapping[str, Any], word: str, site: Site) -> Failed:
    found = error(next((body[name] for name in _REASONS if body.get(name)), None))
    said = printable(found.message)
    detail = f"{word}: {found.code} {said}".replace(site.key or "\0", "[key]")[:_LONGEST_DETAIL]
    if found.is_content_policy:
        kind = FailureKind.CONTENT_POLICY
    elif found.is_invalid_request:
        kind = FailureKind.INVALID_REQUEST
    else:
        return _broken(detail)
    return Failed(kind=kind, message=found.for_owner(kind), detail=detail)


def _broken(detail: str) -> Failed:
    kind = FailureKind.BACKEND_ERROR
    return Failed(kind=kind, message=kind.sentence, detail=detail[:_LONGEST_DETAIL])
