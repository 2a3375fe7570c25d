"""What OpenAI clients send, read into the domain's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from rest_framework.request import Request

from jobs import bodies, catalog, requests
from jobs.errors import JobMissing, RemixRefused
from jobs.ids import JobId, read_job_id
from jobs.models import Job
from jobs.querysets import JobQuerySet
from jobs.requests import InvalidFields, VideoRequest
from jobs.states import JobState

_PAGE: Final = 20
_LONGEST_PAGE: Final = 100
_VARIANTS: Final = ("video", "thumbnail", "spritesheet")
# What the documentation of the hosted API says of a create without one.
_USUAL_SIZE: Final = "720x1280"
_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is wanted."""

    after: str
    limit: int
    is_ascending: bool


def video_id(text: str) -> JobId:
    """Read an identifier; one that cannot be is one that is not there. Raises JobMissing."""
    found = read_job_id(text)
    if found is None:
        raise JobMissing(_NOBODY)
    return found


def only(request: Request, *known: str) -> Mapping[str, Any]:
    """Read a body that has no other fields. Raises InvalidFields."""
    found = bodies.fields(request)
    if unknown := sorted(set(found) - set(known)):
        raise InvalidFields({name[:64]: "This field is not known. Remove it." for name in unknown})
    return found


def wanted(request: Request) -> VideoRequest:
    """Read a create. Raises InvalidFields."""
    fields = dict(bodies.fields(request))
    name = fields.get("model")
    # Programs that were written for the hosted API name its models, which are nowhere any more.
    if name in settings.MODELS_OF_OPENAI and name not in catalog.offers():
        fields.pop("model")
    return requests.read(fields, usual_size=_USUAL_SIZE)


def remix(request: Request, source: Job) -> VideoRequest:
    """Read a new prompt for a finished video. Raises InvalidFields, RemixRefused."""
    fields = bodies.fields(request)
    if unknown := sorted(set(fields) - {"prompt"}):
        raise InvalidFields(dict.fromkeys(unknown[:8], "A remix takes nothing but a prompt."))
    if source.state != JobState.SUCCEEDED:
        raise RemixRefused(job_id=source.id, current=source.state)
    earlier = requests.of_job(source)
    kept = {"model": earlier.model, "seconds": earlier.seconds, "size": earlier.size}
    return requests.read(
        {"prompt": fields.get("prompt"), "seed": earlier.seed, **kept}, remixed_from=source.id
    )


def page(query: Mapping[str, Any]) -> Page:
    """Read `after`, `limit` and `order`. Raises InvalidFields."""
    order, limit = query.get("order", "desc"), query.get("limit", str(_PAGE))
    if order not in {"asc", "desc"}:
        raise InvalidFields({"order": "Send asc or desc."})
    is_number = limit.isascii() and limit.isdigit() and len(limit) <= len(str(_LONGEST_PAGE))
    if not is_number or not 1 <= int(limit) <= _LONGEST_PAGE:
        raise InvalidFields({"limit": f"Send a whole number from 1 to {_LONGEST_PAGE}."})
    return Page(after=query.get("after", ""), limit=int(limit), is_ascending=order == "asc")


def placed(jobs: JobQuerySet, wanted: Page, *, owner_id: UUID) -> JobQuerySet:
    """Order jobs and begin behind `after`, which may have been deleted since. Raises InvalidFields."""
    ordered = jobs.oldest_first() if wanted.is_ascending else jobs.newest_first()
    if not wanted.after:
        return ordered
    after = read_job_id(wanted.after) or _NOBODY
    last = Job.objects.filter(owner_id=owner_id, id=after).values("id", "created_at").first()
    if last is None:
        raise InvalidFields({"after": "There is no such video to begin behind."})
    at, key = last["created_at"], last["id"]
    if wanted.is_ascending:
        return ordered.filter(
            Q(created_at__gt=at) | Q(created_at=at, id__gt=key), created_at__gte=at
        )
    return ordered.filter(Q(created_at__lt=at) | Q(created_at=at, id__lt=key), created_at__lte=at)


def variant(query: Mapping[str, Any]) -> str:
    """Read which file of a video is wanted. Raises InvalidFields."""
    found: str = query.get("variant") or _VARIANTS[0]
    if found not in _VARIANTS:
        raise InvalidFields({"variant": f"Send one of {', '.join(_VARIANTS)}."})
    return found
