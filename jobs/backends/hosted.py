"""What hosted services have in common: how they refuse, how they fail, where their videos are."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from jobs.backends import http, results
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Content,
    Failed,
    Finished,
    Gone,
    Hint,
    KeyRefused,
    Order,
    Picture,
    Sighting,
    Site,
    Unanswered,
    Video,
)
from jobs.backends.http import NoAnswer, Reply
from jobs.failures import FailureKind

# Seconds for a question that can be asked again.
_QUESTION_SECONDS: Final = 6.0
# Characters of a message for owners, and of a detail for operators.
_LONGEST: Final = 200
_LONGEST_DETAIL: Final = 300
_ADDRESS: Final = re.compile(r"(?:\b[a-z][a-z0-9+.-]*://|\bwww\.)\S*", re.IGNORECASE)
# E005 is Replicate's code of flagged content.
_POLICY: Final = re.compile(
    r"nsfw|moderation|flagged|safety[ _-](?:check|filter|system)|content[ _-](?:policy|filter|check)"
    r"|sensitive content|prohibited content|\bE005\b",
    re.IGNORECASE,
)
_RATIOS: Final = {
    name: math.log(int(name.partition(":")[0]) / int(name.partition(":")[2]))
    for name in ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")
}
# What is sent unless a pool says otherwise; what it may give names, and so have sent.
_USUAL: Final = ("prompt", "duration", "aspect_ratio", "resolution", "seed")
FIELDS: Final = (*_USUAL, "width", "height", "size")
_CLIPS: Final = (".mp4", ".webm", ".mov")
# How deep, and in how many pieces, an output is searched for addresses.
_DEPTH: Final = 3
_WIDTH: Final = 20


def wish(order: Order, *, seed: int | None) -> dict[str, Any]:
    """Say what the video shall be, by the names that most hosted models share or that the pool gives them."""
    shape = math.log(order.width / order.height)
    facts = {
        "prompt": order.prompt,
        "duration": order.seconds,
        "aspect_ratio": min(_RATIOS, key=lambda name: abs(_RATIOS[name] - shape)),
        "resolution": f"{min(order.width, order.height)}p",
        "seed": seed,
        "width": order.width,
        "height": order.height,
        "size": f"{order.width}x{order.height}",
    }
    names = {name: name for name in _USUAL} | dict(order.site.field_map)
    return {
        names[name]: fact for name, fact in facts.items() if names.get(name) and fact is not None
    }


def seed_field(site: Site) -> str:
    """Say what the pool's models call the seed; "" when they take none."""
    return site.field_map.get("seed", "seed")


def content(order: Order) -> Content:
    """Say that there is none: videos have addresses of their own. Raises BackendError."""
    kind = FailureKind.BACKEND_ERROR
    raise BackendError(kind, kind.sentence, detail="The service's videos have their own addresses.")


def hint(message_id: str, body: bytes, identify: Callable[[Mapping[str, Any]], str]) -> Hint:
    """Read a verified webhook. Raises BackendError when nothing of ours is in it."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    backend_job_id = identify(found) if isinstance(found, dict) else ""
    if not backend_job_id:
        raise http.unavailable("A true webhook names nothing of ours.")
    return Hint(message_id=message_id, backend_job_id=backend_job_id)


def data_uri(picture: Picture) -> str:
    """Write an image into an address of its own, as inputs of files may be given."""
    return f"data:{picture.mime};base64,{base64.b64encode(picture.content).decode()}"


def create(site: Site, path: str, *, headers: Mapping[str, str], body: object) -> Reply:
    """Send an order, once, and give its 2xx answer. Raises BackendError or Unanswered."""
    try:
        reply = http.call(site, "POST", path, headers=headers, body=body)
    except NoAnswer as error:
        if error.was_sent:
            raise Unanswered(str(error)) from error
        raise http.unavailable(str(error)) from error
    if not reply.is_ok:
        raise _refusal(reply)
    return reply


def ask(site: Site, method: str, path: str, *, headers: Mapping[str, str]) -> Reply:
    """Ask something that may be asked again. Raises BackendError: no answer, or the key was refused."""
    try:
        reply = http.call(site, method, path, headers=headers, seconds=_QUESTION_SECONDS)
    except NoAnswer as error:
        raise http.unavailable(str(error)) from error
    if reply.status in {401, 403}:
        raise KeyRefused(reply.status)
    return reply


def unusable(reply: Reply) -> BackendError:
    """Make the failure of an answer that tells nothing."""
    return http.unavailable(reply.excerpt())


def unknown(found: Sighting) -> Cancellation:
    """Say what a cancel did whose server does not know the job, by what it shows. Raises BackendError."""
    match found:
        case Gone():
            return Cancellation.UNKNOWN
        case Finished() | Failed():
            return Cancellation.ENDED
        case _:
            raise http.unavailable("It does not know the job that it is to stop, and shows it.")


def said(reply: Reply) -> str:
    """Give what an error's body tells: its detail, title or error, in one line."""
    found = reply.json() or {}
    detail = found.get("detail") or found.get("error") or found.get("title") or ""
    if isinstance(detail, list):
        return "; ".join(_fault(one) for one in detail[:_WIDTH])
    return detail if isinstance(detail, str) else ""


def is_on_site(url: str, site: Site) -> bool:
    """Tell whether an address is the site's own, so that the site's key may be sent there."""
    own = site.url.rstrip("/")
    # The slash ends the host's name: nothing can be added to it, nor put before it.
    return url.startswith(f"{own}/") and url.isprintable() and not {" ", "\\"} & set(url)


def failed(words: str, *, code: str = "", is_owners: bool = False) -> Failed:
    """Make the failure that a server told in words, and in a code where it has one."""
    detail = plain(f"{code} {words}", longest=_LONGEST_DETAIL)
    if _POLICY.search(f"{code} {words}"):
        kind = FailureKind.CONTENT_POLICY
    elif is_owners:
        message = _to_owner(words)
        return Failed(kind=FailureKind.INVALID_REQUEST, message=message, detail=detail)
    elif "timeout" in code:
        message = "It did not begin or end within the time that the generation server gives."
        return Failed(kind=FailureKind.OVERDUE, message=message, detail=detail)
    else:
        kind = FailureKind.BACKEND_ERROR
    return Failed(kind=kind, message=kind.sentence, detail=detail)


def canceled(detail: str) -> Failed:
    """Make the failure of a generation that the server calls canceled."""
    message = "The generation server canceled it."
    return Failed(kind=FailureKind.BACKEND_ERROR, message=message, detail=plain(detail))


def finished(
    output: object, site: Site, *, expires_at: datetime | None = None
) -> Finished | Failed:
    """Find the video in what a model gave: an address, a list of them, or an object around either."""
    found = list(_addresses(output, _DEPTH))[:_WIDTH]
    if not found:
        message = "The generation server finished without a video."
        return Failed(kind=FailureKind.BACKEND_ERROR, message=message)
    # Beside the clip there may be pictures of it.
    url = next((one for one in found if _path(one).endswith(_CLIPS)), found[0])
    if not results.allowed(url, site):
        return Failed(
            kind=FailureKind.BACKEND_ERROR,
            message="The generation server put the video at an address that is not trusted.",
            detail=f"Not a result host of {site.pool}: {url[:_LONGEST]!r}",
        )
    return Finished(video=Video(url=url, expires_at=expires_at))


def plain(text: str, *, longest: int = _LONGEST) -> str:
    """Give a server's words as one line without addresses."""
    line = "".join(c if c.isprintable() else " " for c in _ADDRESS.sub("", text))
    line = " ".join(line.split()).strip(" -")
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _refusal(reply: Reply) -> BackendError | Unanswered:
    excerpt = reply.excerpt()
    match reply.status:
        case 400 | 404 | 413 | 422:
            found = failed(said(reply), code=_code(reply), is_owners=True)
            return BackendError(found.kind, found.message, detail=excerpt)
        case 401 | 403:
            return KeyRefused(reply.status)
        case 402 | 429 | 503:
            kind = FailureKind.BACKEND_UNAVAILABLE
            return BackendError(kind, "The GPU server takes no work now.", detail=excerpt)
        case status if status >= 500 or status in {408, 409}:  # noqa: PLR2004 - RFC 9110
            # A gateway may say so after the server behind it took the order.
            return Unanswered(excerpt)
        case _:
            kind = FailureKind.BACKEND_ERROR
            return BackendError(kind, kind.sentence, detail=excerpt)


def _to_owner(words: str) -> str:
    told = plain(words)
    return (
        plain(f"The model refused this request: {told}")
        if told
        else FailureKind.INVALID_REQUEST.sentence
    )


def _code(reply: Reply) -> str:
    title = (reply.json() or {}).get("title")
    return reply.headers.get("x-fal-error-type") or (title if isinstance(title, str) else "")


def _fault(one: object) -> str:
    """Tell one of FastAPI's faults: the field, and what is wrong with it."""
    if not isinstance(one, dict):
        return str(one)
    place = one.get("loc")
    field = str(place[-1]) if isinstance(place, Sequence) and place else ""
    words = f"{field}: {one.get('msg', '')}" if field else str(one.get("msg", ""))
    return f"{words} ({one['type']})" if _POLICY.search(str(one.get("type", ""))) else words


def _addresses(output: object, depth: int) -> Iterator[str]:
    if isinstance(output, str):
        yield output
    elif isinstance(output, list) and depth:
        for one in output[:_WIDTH]:
            yield from _addresses(one, depth - 1)
    elif isinstance(output, dict) and depth:
        for name in ("url", "video", "videos", "output"):
            yield from _addresses(output.get(name), depth - 1)


def _path(url: str) -> str:
    try:
        return urlsplit(url).path.lower()
    except ValueError:
        return ""
