"""Replicate's predictions, and servers that speak like it.

Sources: replicate.com/docs/reference/http; its "Prediction lifecycle", "Webhooks" and "Verify webhooks";
the python client 1.0.7. There is no idempotency key, so an order that may have been taken is looked for in
the list of predictions.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from jobs.backends import hosted, http, replicate_files, replicate_list, standard_webhooks
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Content,
    Failed,
    Finished,
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
from jobs.backends.http import Reply
from jobs.backends.remembered import Remembered
from jobs.backends.replicate_list import PATH, SKEW, identifier, moment
from jobs.failures import FailureKind

# Where Replicate keeps files; a pool may name more.
RESULT_HOSTS: Final = ("replicate.delivery", "*.replicate.delivery")
# Files of predictions that the API made are removed after so long.
_KEPT: Final = timedelta(hours=1)
_VERSION: Final = re.compile(r"(?:[\w./-]+:)?([0-9a-f]{64})", re.ASCII)
_NAME: Final = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PROGRESS: Final = re.compile(r"(?:^|\s)(\d{1,3})%\|")
_LINE_ENDS: Final = re.compile(r"[\r\n]+")
# Characters of a log's end that are searched.
_TAIL: Final = 4096
_STOPPED: Final = frozenset({"canceled", "aborted"})
_ENDED: Final = frozenset({"succeeded", "failed"})
_WORDS: Final = _STOPPED | _ENDED | {"starting", "processing"}
# Replicate's code for what a model could not read (its "Error codes").
_OWNERS: Final = re.compile(r"\bE006\b|input validation", re.IGNORECASE)


def _fault_of(offer: Offer) -> tuple[str, str] | None:
    for model in offer.models:
        if not (_VERSION.fullmatch(model) or _NAME.fullmatch(model)):
            return (
                "model_names",
                f"{model!r} is no model of Replicate's. Write owner/name, or 64 hexadecimal digits.",
            )
    return None


class ReplicateBackend:
    """Makes predictions. `Site.profile` says of what: models (default), predictions or deployments."""

    capabilities = Capabilities(
        runs_in_worker=False,
        profiles=("", "models", "predictions", "deployments"),
        can_find=True,
        asks_many=True,
        image_input="image",
        sends_webhooks=True,
        result_hosts=RESULT_HOSTS,
        fields=hosted.FIELDS,
        fault_of=_fault_of,
    )

    def __init__(self) -> None:
        self._secrets: Remembered[str] = Remembered()

    def submit(self, order: Order) -> Submitted:
        """Create a prediction. Without `Prefer` the answer does not wait for it."""
        path, body = _create(order)
        image = replicate_files.image_input(order, headers=replicate_list.headers(order.site))
        try:
            reply = _send(order, path, body, _input(order) | image)
        except BackendError as error:
            # A model without a seed refuses ours, for certain; then nothing tells its orders apart but time.
            is_tag = order.seed is None and _names_seed(error, order.site)
            if error.kind is not FailureKind.INVALID_REQUEST or not is_tag:
                raise
            reply = _send(order, path, body, hosted.wish(order, seed=None) | image)
        found = identifier(reply.json() or {})
        if not found:
            raise Unanswered(reply.excerpt())
        return Submitted(backend_job_id=found)

    def candidates(self, order: Order) -> tuple[Submitted, ...]:
        """Search the list, newest first, for the webhook's address, or for the input at the time.

        An order is found for certain, or not at all.
        """
        if order.submitted_at is None:
            return ()
        alike = []
        for one in replicate_list.since(order.site, order.submitted_at - SKEW):
            webhook = one.get("webhook")
            if order.callback_url and webhook == order.callback_url:
                return (Submitted(backend_job_id=identifier(one)),)
            if not webhook and _is_alike(one, order):
                alike.append(identifier(one))
        if len(alike) > 1:
            raise BackendError(
                FailureKind.BACKEND_ERROR,
                FailureKind.BACKEND_ERROR.sentence,
                detail=f"More than one prediction may be this order's: {', '.join(alike[:5])}",
            )
        return tuple(Submitted(backend_job_id=one) for one in alike)

    def look(self, order: Order) -> Sighting:
        """Get the prediction. That there is none is believed when its list and a second answer say so too."""
        found = _shown(order)
        if found is None and replicate_list.is_listed(order):
            raise http.unavailable("It does not know the prediction, and lists it.")
        found = found or _shown(order)
        if found is None:
            return Gone()
        return _sighting(found, order.site)

    def look_at_many(self, orders: Sequence[Order], *, pages: int = 1) -> Mapping[str, Sighting]:
        """Read the list, the newest first, a hundred to a page, until all are seen."""
        told: dict[str, Sighting] = {}
        if not orders:
            return told
        site = orders[0].site
        left = {order.backend_job_id for order in orders}
        path = PATH
        for _ in range(pages):
            found, path = replicate_list.page(site, path)
            told |= {
                identifier(one): _sighting(one, site)
                for one in found
                if identifier(one) in left and one.get("status") in _WORDS and _tells(one)
            }
            left -= {identifier(one) for one in found}
            if not left or not path:
                break
        return told

    def cancel(self, order: Order) -> Cancellation:
        """Cancel the prediction. An ended one is answered as it is."""
        path = f"{_path(order)}/cancel"
        reply = hosted.ask(order.site, "POST", path, headers=replicate_list.headers(order.site))
        found = reply.json() or {}
        match reply.status:
            case 404:
                return hosted.unknown(self.look(order))
            case 409:
                return Cancellation.GOES_ON
        if not reply.is_ok or identifier(found) != order.backend_job_id:
            raise hosted.unusable(reply)
        if found.get("status") in _STOPPED:
            return Cancellation.STOPPED
        return Cancellation.ENDED if found.get("status") in _ENDED else Cancellation.GOES_ON

    def content(self, order: Order) -> Content:
        """Say that there is none. Raises BackendError."""
        return hosted.content(order)

    def hint(self, site: Site, headers: Mapping[str, str], body: bytes, *, now: float) -> Hint:
        """Verify with the pool's secret, or with the account's. Raises Forged."""
        message_id = standard_webhooks.verify(self._secret(site, now), headers, body, now=now)
        return hosted.hint(message_id, body, identifier)

    def health(self, site: Site) -> Health:
        """Ask whose key it is."""
        reply = hosted.ask(site, "GET", "/v1/account", headers=replicate_list.headers(site))
        if not reply.is_ok or reply.json() is None:
            raise hosted.unusable(reply)
        return Health()

    def _secret(self, site: Site, now: float) -> str:
        if site.webhook_secret:
            return site.webhook_secret
        owner = hashlib.sha256(site.key.encode()).hexdigest()[:16]
        return self._secrets.get(f"{site.url} {owner}", lambda: _account_secret(site), now=now)


def _create(order: Order) -> tuple[str, dict[str, Any]]:
    model, profile = order.model, order.site.profile
    if version := _VERSION.fullmatch(model):
        return PATH, {"version": version[1]}
    if profile == "predictions":
        return PATH, {"version": model}
    if profile not in {"", "models", "deployments"} or not _NAME.fullmatch(model):
        kind = FailureKind.BACKEND_ERROR
        detail = f"The profile {profile!r} cannot address the model {model!r}."
        raise BackendError(kind, kind.sentence, detail=detail)
    return f"/v1/{profile or 'models'}/{model}/predictions", {}


def _send(order: Order, path: str, body: Mapping[str, Any], wish: Mapping[str, Any]) -> Reply:
    told: dict[str, Any] = {**body, "input": wish}
    if order.callback_url:
        told |= {"webhook": order.callback_url, "webhook_events_filter": ["completed"]}
    return hosted.create(order.site, path, headers=replicate_list.headers(order.site), body=told)


def _input(order: Order) -> dict[str, Any]:
    """Say what is wanted; without a wish for a seed, the seed names the attempt, so that it can be found."""
    name = f"{order.job_id} {order.attempt}".encode()
    tag = int.from_bytes(hashlib.sha256(name).digest()[:4], "big") >> 1
    return hosted.wish(order, seed=tag if order.seed is None else order.seed)


def _names_seed(error: BackendError, site: Site) -> bool:
    name = hosted.seed_field(site)
    return bool(name) and name in error.message


def _path(order: Order) -> str:
    return f"{PATH}/{quote(order.backend_job_id, safe='')}"


def _shown(order: Order) -> dict[str, Any] | None:
    """Give the prediction; None where the server says that there is none. Raises BackendError."""
    reply = hosted.ask(order.site, "GET", _path(order), headers=replicate_list.headers(order.site))
    found = reply.json() or {}
    # Whatever the status of the answer is, a prediction in it counts.
    if identifier(found) == order.backend_job_id and isinstance(found.get("status"), str):
        return found
    if reply.status == 404:  # noqa: PLR2004 - RFC 9110
        return None
    raise hosted.unusable(reply)


def _is_alike(prediction: Mapping[str, Any], order: Order) -> bool:
    created_at, found = moment(prediction.get("created_at")), prediction.get("input")
    if order.submitted_at is None or created_at is None or not isinstance(found, dict):
        return False
    wanted = _input(order)
    if order.seed is None and hosted.seed_field(order.site) not in found:
        wanted = hosted.wish(order, seed=None)
    is_same = all(found.get(name) == value for name, value in wanted.items())
    return is_same and abs(created_at - order.submitted_at) <= SKEW


def _tells(prediction: Mapping[str, Any]) -> bool:
    # A list may leave outputs out, or be made before they are there.
    return prediction.get("status") != "succeeded" or bool(prediction.get("output"))


def _sighting(prediction: Mapping[str, Any], site: Site) -> Sighting:
    match prediction.get("status"):
        case "starting":
            return StillWaiting()
        case "succeeded":
            return _finished(prediction, site)
        case "failed":
            words = str(prediction.get("error") or "")
            return hosted.failed(words, is_owners=bool(_OWNERS.search(words)))
        case "canceled" | "aborted" as word:
            return hosted.canceled(f"{word} {prediction.get('error') or ''}")
        case _:
            return StillRunning(percent=_percent(prediction.get("logs")))


def _finished(prediction: Mapping[str, Any], site: Site) -> Finished | Failed:
    completed_at = moment(prediction.get("completed_at"))
    return hosted.finished(
        prediction.get("output"),
        replace(site, result_hosts=(*site.result_hosts, *RESULT_HOSTS)),
        expires_at=completed_at + _KEPT if completed_at else None,
    )


def _percent(logs: object) -> int | None:
    """Read the last progress bar of the logs, as tqdm draws it; a bar is redrawn after a carriage return."""
    if not isinstance(logs, str):
        return None
    for line in reversed(_LINE_ENDS.split(logs[-_TAIL:])):
        if found := _PROGRESS.search(line):
            return min(100, int(found[1]))
    return None


def _account_secret(site: Site) -> str:
    reply = hosted.ask(
        site, "GET", "/v1/webhooks/default/secret", headers=replicate_list.headers(site)
    )
    found = (reply.json() or {}).get("key")
    if not reply.is_ok or not isinstance(found, str) or not found:
        # The body may be the secret itself.
        raise http.unavailable(f"No webhook secret: HTTP {reply.status}")
    return found
