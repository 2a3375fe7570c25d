"""The driver of every server that speaks POST /v1/videos; `profiles` says what each does its own way.

The openai SDK is not used: it sends a create three times, and turns a failed job that comes with HTTP 500
into an exception without the job.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from jobs.backends import http, standard_webhooks
from jobs.backends.backend import (
    BackendError,
    Cancellation,
    Content,
    Failed,
    Finished,
    Forged,
    Gone,
    Health,
    Hint,
    Order,
    Sighting,
    Site,
    StillWaiting,
    Submitted,
    Unanswered,
)
from jobs.backends.capabilities import Capabilities
from jobs.backends.openai_videos import files, identity, reading, refusals, search
from jobs.backends.openai_videos.profiles import PROFILES, ModelField, Profile, profile
from jobs.failures import FailureKind

# Seconds for a whole call.
_QUESTION_SECONDS: Final = 6.0
_CREATE_SECONDS: Final = 20.0
# vLLM-Omni waits up to six seconds for its engine.
_CANCEL_SECONDS: Final = 15.0
_CONFLICT: Final = 409
_LOST: Final = frozenset({404, 410})
_LONGEST_MODEL: Final = 255
_MOST_MODELS: Final = 100


class OpenAIVideosBackend:
    """Orders from servers of /v1/videos."""

    # Each job is sought among those that the server lists. Where that cannot tell, `candidates` raises, so
    # that its "no" can be trusted everywhere.
    capabilities = Capabilities(
        runs_in_worker=False,
        profiles=tuple(PROFILES),
        can_find=True,
        asks_many=True,
        image_input="input_reference",
        can_remix=True,
        remixing_profiles=("openai",),
        sends_webhooks=True,
        fault_of=refusals.fault_of,
    )

    def submit(self, order: Order) -> Submitted:
        """Send the order, once. Raises BackendError (certainly not taken) or Unanswered (perhaps taken)."""
        kind = profile(order.site.profile)
        refusals.check(order, kind)
        # No server keeps it to one job by this. Those that write it down can be asked about it.
        tag = f"{order.job_id}-{order.attempt}"
        try:
            reply = http.call(
                order.site,
                "POST",
                _create_path(order),
                headers=_headers(order.site) | {"Idempotency-Key": tag, "X-Client-Request-Id": tag},
                **_content(order, kind),
                seconds=_CREATE_SECONDS,
            )
        except http.NoAnswer as error:
            if error.was_sent:
                raise Unanswered(str(error)) from error
            raise http.unavailable(str(error)) from error
        job = reading.job(reply.json())
        # Some servers answer with an error's status around a job that they have.
        if job and (reply.is_ok or (reading.is_job(job) and job.get("object") == "video")):
            taken = reading.identifier(job)
            return Submitted(backend_job_id=taken, handle=identity.shown(job))
        raise refusals.refusal(reply)

    def candidates(self, order: Order) -> Sequence[Submitted]:
        """Look for an order whose create was not answered: all that may be it, the best first."""
        kind = profile(order.site.profile)
        found = search.candidates(order, kind, lambda after: self._page(order.site, after))
        return tuple(
            Submitted(backend_job_id=reading.identifier(one), handle=identity.shown(one))
            for one in found
        )

    def look(self, order: Order) -> Sighting:
        """Say what became of an order. What is finished has a file that begins like a video."""
        found = self._shown(order)
        return files.proven(found, _file(order), order.site) if files.is_unproven(found) else found

    def _shown(self, order: Order) -> Sighting:
        reply = self._ask(order.site, "GET", _path(order.site, order.backend_job_id))
        job = reading.job(reply.json())
        if job is not None and reading.is_job(job):
            found = self._read(job, order, profile(order.site.profile))
            # vLLM-Omni and others show a failed job with its error's HTTP status.
            if reply.is_ok or isinstance(found, Failed | Gone):
                return found
        if reply.status in _LOST and self._is_lost(order, is_page=_is_page(reply)):
            return Gone()
        if reply.status in _LOST and not _is_page(reply):
            raise http.unavailable(f"It does not know the job, and lists it. {reply.excerpt()}")
        raise refusals.fault(reply)

    def look_at_many(self, orders: Sequence[Order], *, pages: int = 1) -> Mapping[str, Sighting]:
        """Ask about several orders of one site at once: read its list, newest first, until all are seen."""
        told: dict[str, Sighting] = {}
        if not orders:
            return told
        site = orders[0].site
        kind = profile(site.profile)
        left = {order.backend_job_id: order for order in orders}
        since = search.earliest(orders)
        for job in search.newest(lambda after: self._page(site, after), most=pages, since=since):
            if order := left.pop(reading.identifier(job), None):
                told[order.backend_job_id] = self._read(job, order, kind)
            if not left:
                break
        return files.only_proven(told, {one.backend_job_id: _file(one) for one in orders}, site)

    def cancel(self, order: Order) -> Cancellation:
        """Ask the server to stop, and say what that really did.

        A server deletes finished videos as readily as running jobs, so it is asked first what there is.
        """
        kind = profile(order.site.profile)
        before = self._shown(order)
        if isinstance(before, Gone):
            return Cancellation.UNKNOWN
        if isinstance(before, Finished | Failed):
            return Cancellation.ENDED
        reply = self._ask(
            order.site,
            "DELETE",
            _path(order.site, order.backend_job_id),
            seconds=_CANCEL_SECONDS,
        )
        if reply.status in _LOST:
            return self._denied(order, reply)
        if reply.status == _CONFLICT:
            return self._refused(order, kind, reply)
        if not reply.is_ok:
            raise refusals.fault(reply)
        is_waiting = isinstance(before, StillWaiting)
        said = kind.delete_waiting if is_waiting else kind.delete_running
        return self._proven(order) if said is Cancellation.STOPPED else said

    def content(self, order: Order) -> Content:
        """Say where the finished file is. Never a `variant`: SGLang reads it as the number of an output.

        The server is asked first whether the job by this id is still ours: its file may be another owner's.
        """
        if isinstance(self._shown(order), Gone):
            kind = FailureKind.BACKEND_FORGOT
            raise BackendError(kind, "The server that made this video no longer has it.")
        return _file(order)

    def hint(self, site: Site, headers: Mapping[str, str], body: bytes, *, now: float) -> Hint:
        """Verify, then read the thin event of the OpenAI API: `{"type": ..., "data": {"id": ...}}`."""
        message_id = standard_webhooks.verify(site.webhook_secret, headers, body, now=now)
        try:
            event = json.loads(body)
        except (ValueError, RecursionError):
            event = None
        data = event.get("data") if isinstance(event, dict) else None
        backend_job_id = reading.identifier(data)
        if not backend_job_id:
            raise Forged("The event is signed, and names no video.")
        return Hint(message_id=message_id, backend_job_id=backend_job_id)

    def health(self, site: Site) -> Health:
        """Ask whether it is well, whether it takes our key, and what it serves."""
        kind = profile(site.profile)
        slots = None
        if kind.health_path:
            reply = self._ask(site, "GET", f"{_root(site)}{kind.health_path}")
            if not reply.is_ok:
                raise refusals.fault(reply)
            slots = reading.slots(reply.json())
        if not kind.has_models:
            reply = self._page(site, "")
            if not reply.is_ok or reading.entries(reply.any_json()) is None:
                raise refusals.fault(reply)
            return Health()
        reply = self._ask(site, "GET", _path(site, endpoint="models"))
        served = reply.any_json()
        listed = served.get("data") if isinstance(served, dict) else None
        if not reply.is_ok or not isinstance(listed, list):
            raise refusals.fault(reply)
        names = [reading.identifier(one) for one in listed[:_MOST_MODELS]]
        return Health(
            models=tuple(name[:_LONGEST_MODEL] for name in names if name),
            slots=slots,
            checks_models=profile(site.profile).model is ModelField.SENT,
        )

    def _is_lost(self, order: Order, *, is_page: bool) -> bool:
        """Tell whether the server really does not know what it said is not there, by its list.

        Some say so of jobs that live, and list them. A page of HTML may be a proxy's word while the server is away:
        it counts only where the server's own list comes from below the same address.
        """
        try:
            reply = self._page(order.site, "")
        except BackendError as error:
            if isinstance(error.__cause__, http.TooLarge):
                return not is_page
            raise
        jobs = reading.entries(reply.any_json()) if reply.is_ok else None
        if jobs is None:
            return not is_page
        return order.backend_job_id not in map(reading.identifier, jobs)

    def _read(self, job: Mapping[str, Any], order: Order, kind: Profile) -> Sighting:
        if identity.is_another(job, order, kind):
            return Gone()
        return reading.sighting(job, order.site, kind)

    def _proven(self, order: Order) -> Cancellation:
        """Look again: a server that stopped a job forgets it, and one that did not shows it as it goes on."""
        match self._shown(order):
            case Gone():
                return Cancellation.STOPPED
            case Finished() | Failed():
                return Cancellation.ENDED
            case _:
                return Cancellation.GOES_ON

    def _denied(self, order: Order, reply: http.Reply) -> Cancellation:
        """Look again, as it was there a moment ago."""
        match self._shown(order):
            case Gone():
                return Cancellation.UNKNOWN
            case Finished() | Failed():
                return Cancellation.ENDED
            case _:
                raise http.unavailable(f"It does not know the job, and shows it. {reply.excerpt()}")

    def _refused(self, order: Order, kind: Profile, reply: http.Reply) -> Cancellation:
        match self._shown(order):
            case Gone():
                return kind.delete_running
            case Finished() | Failed():
                return Cancellation.ENDED
            case _ if kind.delete_refused is not None:
                return kind.delete_refused
            case _:
                raise http.unavailable(f"It cannot be stopped now. {reply.excerpt()}")

    def _page(self, site: Site, after: str) -> http.Reply:
        following = f"&after={quote(after, safe='')}" if after else ""
        return self._ask(site, "GET", f"{_path(site)}?limit={search.PAGE}{following}")

    def _ask(
        self, site: Site, method: str, path: str, *, seconds: float = _QUESTION_SECONDS
    ) -> http.Reply:
        try:
            return http.call(site, method, path, headers=_headers(site), seconds=seconds)
        except http.NoAnswer as error:
            raise http.unavailable(str(error)) from error


def _is_page(reply: http.Reply) -> bool:
    return reply.body.lstrip().startswith(b"<")


def _create_path(order: Order) -> str:
    if order.source is None:
        return _path(order.site)
    if order.source.pool != order.site.pool:
        raise refusals.impossible("The server that made the video which it changes is gone.")
    return f"{_path(order.site, order.source.backend_job_id)}/remix"


def _content(order: Order, kind: Profile) -> dict[str, Any]:
    if order.source is not None:
        # The OpenAI API reference, "Remix video": JSON with nothing but the new prompt.
        return {"body": {"prompt": order.prompt}}
    files = {order.site.image_input: order.image} if order.image is not None else {}
    return {"form": _form(order, kind), "files": files}


def _form(order: Order, kind: Profile) -> dict[str, str]:
    # Numbers are text in a form, so that one form serves servers that want "4" and those that want 4.
    found = {"prompt": order.prompt}
    match kind.model:
        case ModelField.SENT:
            found["model"] = order.model
        case ModelField.MARKED:
            found["model"] = identity.mark(order)
        case ModelField.OMITTED:
            pass
    found |= {"seconds": str(order.seconds), "size": refusals.size(order)}
    if kind.takes_seed and order.seed is not None:
        found["seed"] = str(order.seed)
    return found


def _file(order: Order) -> Content:
    url = f"{order.site.url.rstrip('/')}{_path(order.site, order.backend_job_id)}/content"
    return Content(url=url, headers=_authorization(order.site))


def _authorization(site: Site) -> dict[str, str]:
    return {"Authorization": f"Bearer {site.key}"} if site.key else {}


def _headers(site: Site) -> dict[str, str]:
    return {"Accept": "application/json"} | _authorization(site)


def _is_versioned(site: Site) -> bool:
    """Tell whether the address is what OpenAI clients call `base_url`, which ends in /v1."""
    return site.url.rstrip("/").endswith("/v1")


def _root(site: Site) -> str:
    return site.url.rstrip("/").removesuffix("/v1")


def _path(site: Site, backend_job_id: str = "", *, endpoint: str = "videos") -> str:
    start = f"/{endpoint}" if _is_versioned(site) else f"/v1/{endpoint}"
    return f"{start}/{quote(backend_job_id, safe='')}" if backend_job_id else start
