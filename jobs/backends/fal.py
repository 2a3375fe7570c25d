"""fal's queue, and servers that speak like it.

Sources: docs.fal.ai, "Queue", "Webhooks", "Request errors" and "Model errors"; fal_client 1.0.3. There is no
list of requests: an order whose create was not answered cannot be found.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from jobs.backends import hosted, http
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Content,
    Gone,
    Health,
    Hint,
    Order,
    Sighting,
    Site,
    StillRunning,
    StillWaiting,
    Submitted,
    Unanswered,
)
from jobs.backends.capabilities import Capabilities, Offer
from jobs.backends.fal_signature import FalSignatures
from jobs.backends.http import Reply
from jobs.failures import FailureKind

# Where fal keeps files; a pool may name more.
RESULT_HOSTS: Final = ("fal.media", "*.fal.media")
# Seconds within which fal must begin; then it gives up, and nothing is billed.
_BEGIN_WITHIN: Final = 3600
_MODEL: Final = re.compile(r"[\w.-]+(?:/[\w.-]+)+", re.ASCII)
_ID: Final = re.compile(r"[\w-]{1,100}", re.ASCII)
# The addresses of a request, and how each is built where the server gave none that is its own.
_ADDRESSES: Final = {"status_url": "/status", "response_url": "", "cancel_url": "/cancel"}
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
# The request does not exist, or what it would say is malformed: the server and the key were fine.
_KNOWN_NOTHING: Final = frozenset({400, 404, 405, 422})
# Said by the gateway of work that may still end well.
_FOR_NOW: Final = frozenset({408, 409, 429, 502, 503, 504})
_NOT_FOUND: Final = 404
_TIMED_OUT: Final = 504
_SERVER: Final = 500
_OWNERS_CODES: Final = frozenset({"bad_request", "value_error", "invalid_input"})


def _fault_of(offer: Offer) -> tuple[str, str] | None:
    for model in offer.models:
        if not _is_app(model.strip("/")):
            return (
                "model_names",
                f"{model!r} is no app of fal's. They are called like fal-ai/wan/v2.2-a14b.",
            )
    return None


class FalBackend:
    """Queues requests. `Order.model` is the app, such as fal-ai/wan/v2.2-a14b/text-to-video."""

    capabilities = Capabilities(
        runs_in_worker=False,
        can_find=False,
        image_input="image_url",
        sends_webhooks=True,
        result_hosts=RESULT_HOSTS,
        fields=hosted.FIELDS,
        fault_of=_fault_of,
    )

    def __init__(self) -> None:
        self._signatures = FalSignatures()

    def submit(self, order: Order) -> Submitted:
        """Queue a request."""
        body = hosted.wish(order, seed=order.seed)
        if order.image is not None:
            body[order.site.image_input] = hosted.data_uri(order.image)
        path = f"/{_model(order)}"
        if order.callback_url:
            path += f"?fal_webhook={quote(order.callback_url, safe='')}"
        headers = {**_headers(order.site), "X-Fal-Request-Timeout": str(_BEGIN_WITHIN)}
        reply = hosted.create(order.site, path, headers=headers, body=body)
        found = reply.json() or {}
        request_id = _id(found)
        if not request_id:
            raise Unanswered(reply.excerpt())
        return Submitted(backend_job_id=request_id, handle=_handle(found, order.site))

    def candidates(self, order: Order) -> tuple[Submitted, ...]:
        """Say nothing: there is no list to look in."""
        return ()

    def look(self, order: Order) -> Sighting:
        """Get the status, and when it is completed the response."""
        reply = _ask(order, "GET", "status_url")
        found = reply.json() or {}
        if (
            "status" not in found
            or found.get("request_id", order.backend_job_id) != order.backend_job_id
        ):
            if reply.status != _NOT_FOUND:
                raise hosted.unusable(reply)
            return _lost(order)
        match found["status"]:
            case "IN_QUEUE":
                return StillWaiting()
            case "COMPLETED" if found.get("error") or found.get("error_type"):
                return _failure(str(found.get("error") or ""), str(found.get("error_type") or ""))
            case "COMPLETED":
                return _response(order)
            case _:
                # No number is ever given.
                return StillRunning()

    def look_at_many(self, orders: Sequence[Order], *, pages: int = 1) -> Mapping[str, Sighting]:
        """Say nothing: no question is about many."""
        return {}

    def cancel(self, order: Order) -> Cancellation:
        """Ask to cancel, then look: a running one may or may not listen."""
        reply = _ask(order, "PUT", "cancel_url")
        match reply.status:
            case 404:
                return hosted.unknown(self.look(order))
            case 400:
                return Cancellation.ENDED
            case 409:
                return Cancellation.GOES_ON
        if not reply.is_ok:
            raise hosted.unusable(reply)
        after = _ask(order, "GET", "status_url")
        found = after.json() or {}
        if after.status == _NOT_FOUND:
            # It left the queue before anything began.
            _lost(order)
            return Cancellation.STOPPED
        if found.get("status") == "COMPLETED":
            is_stopped = bool(found.get("error") or found.get("error_type"))
            return Cancellation.STOPPED if is_stopped else Cancellation.ENDED
        return Cancellation.GOES_ON

    def content(self, order: Order) -> Content:
        """Say that there is none. Raises BackendError."""
        return hosted.content(order)

    def hint(self, site: Site, headers: Mapping[str, str], body: bytes, *, now: float) -> Hint:
        """Verify with the server's published keys. Raises Forged."""
        message_id = self._signatures.verify(site, headers, body, now=now)
        # `gateway_request_id` is another after fal's own retries; only this one is ours.
        return hosted.hint(message_id, body, _id)

    def health(self, site: Site) -> Health:
        """Ask about a request that is not there: whoever denies it is alive and took the key."""
        path = f"/fal-ai/health/requests/{_NOBODY}/status"
        reply = hosted.ask(site, "GET", path, headers=_headers(site))
        if not reply.is_ok and reply.status not in _KNOWN_NOTHING:
            raise hosted.unusable(reply)
        return Health()


def _headers(site: Site) -> dict[str, str]:
    return {"Authorization": f"Key {site.key}"} if site.key else {}


def _is_app(model: str) -> bool:
    return bool(_MODEL.fullmatch(model)) and not {".", ".."} & set(model.split("/"))


def _model(order: Order) -> str:
    model = order.model.strip("/")
    if not _is_app(model):
        kind = FailureKind.BACKEND_ERROR
        raise BackendError(kind, kind.sentence, detail=f"{order.model!r} is no app of fal's.")
    return model


def _id(found: Mapping[str, Any]) -> str:
    request_id = found.get("request_id")
    return request_id if isinstance(request_id, str) and _ID.fullmatch(request_id) else ""


def _handle(found: Mapping[str, Any], site: Site) -> dict[str, str]:
    """Keep the addresses that are the site's own: our key goes nowhere else."""
    given = {name: found.get(name) for name in _ADDRESSES}
    return {
        name: url
        for name, url in given.items()
        if isinstance(url, str) and hosted.is_on_site(url, site)
    }


def _address(order: Order, name: str) -> str:
    given = order.handle.get(name, "")
    # The pool may have moved since.
    if hosted.is_on_site(given, order.site):
        return given
    # What stands below the app is no part of its requests' addresses.
    app = "/".join(_model(order).split("/")[:2])
    return f"/{app}/requests/{quote(order.backend_job_id, safe='')}{_ADDRESSES[name]}"


def _ask(order: Order, method: str, name: str) -> Reply:
    site = order.site
    return hosted.ask(site, method, _address(order, name), headers=_headers(site))


def _lost(order: Order) -> Gone:
    """Believe that a request is not there when the address of its answer denies it too. Raises BackendError."""
    if _ask(order, "GET", "response_url").status == _NOT_FOUND:
        return Gone()
    raise http.unavailable("It does not know the request, and answers for it.")


def _response(order: Order) -> Sighting:
    """Get the output of a completed request, or the body of its failure."""
    reply = _ask(order, "GET", "response_url")
    if reply.status == _NOT_FOUND:
        # It is there, says its status: one that does not know it is asked again.
        reply = _ask(order, "GET", "response_url")
    found = reply.json()
    code = reply.headers.get("x-fal-error-type", "")
    if reply.is_ok and found is not None:
        return _finished(found, order.site)
    if reply.status == _TIMED_OUT and "x-fal-request-timeout-type" in reply.headers:
        return hosted.failed(hosted.said(reply), code="request_timeout")
    if reply.status == 400 and "in progress" in hosted.said(reply):  # noqa: PLR2004 - RFC 9110
        return StillRunning()
    if found is None or reply.status in _FOR_NOW or reply.is_ok:
        raise hosted.unusable(reply)
    is_owners = reply.status < _SERVER and reply.status != _NOT_FOUND
    return hosted.failed(hosted.said(reply), code=code, is_owners=is_owners)


def _finished(output: Mapping[str, Any], site: Site) -> Sighting:
    wider = replace(site, result_hosts=(*site.result_hosts, *RESULT_HOSTS))
    return hosted.finished(output, wider)


def _failure(words: str, code: str) -> Sighting:
    if "cancel" in code:
        return hosted.canceled(f"{code} {words}")
    return hosted.failed(words, code=code, is_owners=code in _OWNERS_CODES)
