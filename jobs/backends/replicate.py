"""Replicate's predictions, and servers that speak like it.

Sources: replicate.com/docs/reference/http; its "Prediction lifecycle", "Webhooks" and "Verify webhooks";
the python client 1.0.7. There is no idempotency key, so an order that may have been taken is looked for in
the list of predictions.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from jobs.backends import hosted, http, replicate_files, standard_webhooks
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
from jobs.failures import FailureKind

# Where Replicate keeps files; a pool may name more.
RESULT_HOSTS: Final = ("replicate.delivery", "*.replicate.delivery")
# Files of predictions that the API made are removed after so long.
_KEPT: Final = timedelta(hours=1)
_YEARS: Final = range(1970, 3000)
# Their clock against ours, and the time until the create reached them.
_SKEW: Final = timedelta(minutes=2)
# Pages of a hundred that a search reads at most.
_PAGES: Final = 20
_PREDICTIONS: Final = "/v1/predictions"
_ID: Final = re.compile(r"[\w-]{1,100}", re.ASCII)
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
        image = replicate_files.image_input(order, headers=_headers(order.site))
        try:
            reply = _send(order, path, body, _input(order) | image)
        except BackendError as error:
            # A model without a seed refuses ours, for certain; then nothing tells its orders apart but time.
            is_tag = order.seed is None and _names_seed(error, order.site)
            if error.kind is not FailureKind.INVALID_REQUEST or not is_tag:
                raise
            reply = _send(order, path, body, hosted.wish(order, seed=None) | image)
        found = _id(reply.json() or {})
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
        for one in _since(order.site, order.submitted_at - _SKEW):
            webhook = one.get("webhook")
            if order.callback_url and webhook == order.callback_url:
                return (Submitted(backend_job_id=_id(one)),)
            if not webhook and _is_alike(one, order):
                alike.append(_id(one))
        if len(alike) > 1:
            raise BackendError(
                FailureKind.BACKEND_ERROR,
                FailureKind.BACKEND_ERROR.sentence,
                detail=f"More than one prediction may be this order's: {', '.join(alike[:5])}",
            )
        return tuple(Submitted(backend_job_id=one) for one in alike)

    def look(self, order: Order) -> Sighting:
        """Get the prediction."""
        reply = hosted.ask(order.site, "GET", _path(order), headers=_headers(order.site))
        found = reply.json() or {}
        # Whatever the status of the answer is, a prediction in it counts.
        if _id(found) == order.backend_job_id and isinstance(found.get("status"), str):
            return _sighting(found, order.site)
        if reply.status == 404:  # noqa: PLR2004 - RFC 9110
            return Gone()
        raise hosted.unusable(reply)

    def look_at_many(self, orders: Sequence[Order], *, pages: int = 1) -> Mapping[str, Sighting]:
        """Read the list, the newest first, a hundred to a page, until all are seen."""
        told: dict[str, Sighting] = {}
        if not orders:
            return told
        site = orders[0].site
        left = {order.backend_job_id for order in orders}
        path = _PREDICTIONS
        for _ in range(pages):
            found, path = _page(site, path)
            told |= {
                _id(one): _sighting(one, site)
                for one in found
                if _id(one) in left and one.get("status") in _WORDS and _tells(one)
            }
            left -= {_id(one) for one in found}
            if not left or not path:
                break
        return told

    def cancel(self, order: Order) -> Cancellation:
        """Cancel the prediction. An ended one is answered as it is."""
        path = f"{_path(order)}/cancel"
        reply = hosted.ask(order.site, "POST", path, headers=_headers(order.site))
        found = reply.json() or {}
        match reply.status:
            case 404:
                return Cancellation.UNKNOWN
            case 409:
                return Cancellation.GOES_ON
        if not reply.is_ok or _id(found) != order.backend_job_id:
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
        return hosted.hint(message_id, body, _id)

    def health(self, site: Site) -> Health:
        """Ask whose key it is."""
        reply = hosted.ask(site, "GET", "/v1/account", headers=_headers(site))
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
        return _PREDICTIONS, {"version": version[1]}
    if profile == "predictions":
        return _PREDICTIONS, {"version": model}
    if profile not in {"", "models", "deployments"} or not _NAME.fullmatch(model):
        kind = FailureKind.BACKEND_ERROR
        detail = f"The profile {profile!r} cannot address the model {model!r}."
        raise BackendError(kind, kind.sentence, detail=detail)
    return f"/v1/{profile or 'models'}/{model}/predictions", {}


def _send(order: Order, path: str, body: Mapping[str, Any], wish: Mapping[str, Any]) -> Reply:
    told: dict[str, Any] = {**body, "input": wish}
    if order.callback_url:
        told |= {"webhook": order.callback_url, "webhook_events_filter": ["completed"]}
    return hosted.create(order.site, path, headers=_headers(order.site), body=told)


def _input(order: Order) -> dict[str, Any]:
    """Say what is wanted; without a wish for a seed, the seed names the attempt, so that it can be found."""
    name = f"{order.job_id} {order.attempt}".encode()
    tag = int.from_bytes(hashlib.sha256(name).digest()[:4], "big") >> 1
    return hosted.wish(order, seed=tag if order.seed is None else order.seed)


def _names_seed(error: BackendError, site: Site) -> bool:
    name = hosted.seed_field(site)
    return bool(name) and name in error.message


def _headers(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.key}"} if site.key else {}


def _path(order: Order) -> str:
    return f"{_PREDICTIONS}/{quote(order.backend_job_id, safe='')}"


def _id(prediction: Mapping[str, Any]) -> str:
    found = prediction.get("id")
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def _page(site: Site, path: str) -> tuple[list[dict[str, Any]], str]:
    """Give the predictions of a page, and the address of the next or an empty text."""
    reply = hosted.ask(site, "GET", path, headers=_headers(site))
    found = reply.json() or {}
    listed, following = found.get("results"), found.get("next")
    if not reply.is_ok or not isinstance(listed, list):
        raise hosted.unusable(reply)
    if following and not (isinstance(following, str) and hosted.is_on_site(following, site)):
        # Our key goes nowhere else.
        raise http.unavailable("The next page of predictions is not on the server itself.")
    return [one for one in listed if isinstance(one, dict) and _id(one)], following or ""


def _since(site: Site, earliest: datetime) -> Iterator[dict[str, Any]]:
    """Give the predictions since then. Raises BackendError unless all of them could be read."""
    path = _PREDICTIONS
    for _ in range(_PAGES):
        listed, path = _page(site, path)
        for one in listed:
            created_at = _moment(one.get("created_at"))
            if created_at is not None and created_at < earliest:
                return
            yield one
        if not path:
            return
    raise http.unavailable(f"Not found among the newest {_PAGES} pages of predictions.")


def _is_alike(prediction: Mapping[str, Any], order: Order) -> bool:
    created_at, found = _moment(prediction.get("created_at")), prediction.get("input")
    if order.submitted_at is None or created_at is None or not isinstance(found, dict):
        return False
    wanted = _input(order)
    if order.seed is None and hosted.seed_field(order.site) not in found:
        wanted = hosted.wish(order, seed=None)
    is_same = all(found.get(name) == value for name, value in wanted.items())
    return is_same and abs(created_at - order.submitted_at) <= _SKEW


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
    completed_at = _moment(prediction.get("completed_at"))
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


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    # Beyond these years a time zone or an hour more is no date at all.
    return found if found and found.tzinfo and found.year in _YEARS else None


def _account_secret(site: Site) -> str:
    reply = hosted.ask(site, "GET", "/v1/webhooks/default/secret", headers=_headers(site))
    found = (reply.json() or {}).get("key")
    if not reply.is_ok or not isinstance(found, str) or not found:
        # The body may be the secret itself.
        raise http.unavailable(f"No webhook secret: HTTP {reply.status}")
    return found
