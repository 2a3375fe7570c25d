"""Whether the file of a finished video is there, by its first bytes, before anybody is charged for it.

These requests are no questions of the pool's budget: there is one for each finished video, as there is one create.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urljoin

from jobs.backends import http, results
from jobs.backends.backend import BackendError, Content, Failed, Finished, Sighting, Site
from jobs.failures import FailureKind

# Bytes that are read: every container of videos has some by then that no text has.
_BEGINNING: Final = 64
_QUESTION_SECONDS: Final = 6.0
# A server may say that it is done a moment before the file can be read.
_AGAIN_AFTER: Final = 0.5
# A server may keep its files elsewhere, and say so with a redirect.
_MOST_REDIRECTS: Final = 3
# Files of one list that are looked at together.
_AT_ONCE: Final = 8
_FOUND: Final = frozenset({200, 206})
_MISSING: Final = frozenset({404, 410})
_PICTURES: Final = (b"\x89PNG", b"\xff\xd8\xff")
_TEXT: Final = frozenset(range(0x20, 0x7F)) | frozenset(b"\t\n\r\f")


def is_unproven(found: Sighting) -> bool:
    """Tell whether there must be a file that only we can open."""
    return isinstance(found, Finished) and found.video.is_content


def only_proven(
    told: Mapping[str, Sighting], contents: Mapping[str, Content], site: Site
) -> dict[str, Sighting]:
    """Give what a list told, without what is finished and whose file cannot be read now."""
    unproven = [known for known, found in told.items() if is_unproven(found)]
    if not unproven:
        return dict(told)

    def proof(known: str) -> Sighting | None:
        try:
            return proven(told[known], contents[known], site)
        except BackendError:
            return None

    with ThreadPoolExecutor(min(_AT_ONCE, len(unproven))) as threads:
        proofs = dict(zip(unproven, threads.map(proof, unproven), strict=True))
    settled = {known: proofs.get(known, found) for known, found in told.items()}
    return {known: found for known, found in settled.items() if found is not None}


def proven(found: Sighting, content: Content, site: Site) -> Sighting:
    """Give what a server calls finished, or a failure where twice there is no file. Raises BackendError."""
    fault = _fault(content, site)
    if fault:
        time.sleep(_AGAIN_AFTER)
        fault = _fault(content, site)
    if not fault:
        return found
    kind = FailureKind.BACKEND_ERROR
    message = "The generation server finished without a video."
    return Failed(kind=kind, message=message, detail=f"It says that it is done. {fault}")


def _fault(content: Content, site: Site) -> str:
    """Say what is wrong with the file, "" for nothing. Raises BackendError when that cannot be told."""
    try:
        reply = _opened(content, site, {"Range": f"bytes=0-{_BEGINNING - 1}"})
        if reply.status not in _FOUND | _MISSING and not reply.is_redirect:
            # It may take no ranges.
            reply = _opened(content, site, {})
    except http.NoAnswer as error:
        raise http.unavailable(f"Its file cannot be read: {error}") from error
    if reply.is_redirect:
        return "It sends us for the file to an address that is not allowed, or in a circle."
    if reply.status in _MISSING:
        return f"There is no file: {reply.excerpt()}"
    if reply.status not in _FOUND:
        raise _unreadable(reply)
    if not reply.body:
        return "The file is empty."
    is_picture = reply.body.startswith(_PICTURES)
    is_text = all(byte in _TEXT for byte in reply.body)
    return f"The file is no video: {reply.excerpt()}" if is_picture or is_text else ""


def _opened(content: Content, site: Site, extra: Mapping[str, str]) -> http.Reply:
    """Read the beginning where the server says that the file is; with our key only from the server itself."""
    url, headers = content.url, {**content.headers, **extra}
    for _ in range(_MOST_REDIRECTS):
        reply = http.beginning(
            site, url, headers=headers, most=_BEGINNING, seconds=_QUESTION_SECONDS
        )
        url = urljoin(url, reply.headers.get("location", "")) if reply.is_redirect else ""
        if not url or not results.allowed(url, site):
            return reply
        if not results.is_own(url, site):
            headers = dict(extra)
    return http.beginning(site, url, headers=headers, most=_BEGINNING, seconds=_QUESTION_SECONDS)


def _unreadable(reply: http.Reply) -> BackendError:
    return http.unavailable(f"Its file cannot be read: {reply.excerpt()}")
