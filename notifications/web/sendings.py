"""Endpoints, deliveries and tries as pages show them: words, clock times, icons."""

import json
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.utils import timezone

from notifications.models import Delivery, DeliveryAttempt, DeliveryState, WebhookEndpoint
from notifications.webhook_log import Lately

_WORDS: Final = {
    DeliveryState.SCHEDULED: ("waiting", "On its way"),
    DeliveryState.DELIVERED: ("ok", "Arrived"),
    DeliveryState.ABANDONED: ("failed", "Given up"),
    DeliveryState.SKIPPED: ("cancelled", "Not sent"),
    DeliveryState.HELD: ("paused", "Held back"),
}
_SECOND: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an endpoint does, in a word with its icon and a sentence."""

    endpoint: WebhookEndpoint
    look: str
    icon: str
    word: str
    sentence: str
    counted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """A delivery in one line, with its last try."""

    id: UUID
    at: datetime
    type: str
    is_test: bool
    # Of the video it is about; None for tests and events about something else.
    job_id: UUID | None
    look: str
    icon: str
    word: str
    tries: int
    answer: str
    took: str
    reason: str
    # Why it ended, where the last try does not say it.
    why: str
    due_at: datetime | None
    message_id: str
    replays: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One try: what was sent, what came back, how long it took."""

    number: int
    at: datetime
    look: str
    icon: str
    answer: str
    took: str
    reason: str
    request: str
    body: str


def zone(request: HttpRequest) -> ZoneInfo:
    """Give the time zone of whoever looks."""
    return ZoneInfo(getattr(request.user, "time_zone", "UTC"))


def standing(endpoint: WebhookEndpoint, lately: Lately | None) -> Standing:
    """Say how an endpoint does."""
    look, icon, word, sentence = _standing(endpoint, lately)
    total = lately.total if lately else 0
    counted = f"{lately.delivered:,} of {total:,} arrived" if lately and total else "nothing sent"
    return Standing(
        endpoint=endpoint, look=look, icon=icon, word=word, sentence=sentence, counted=counted
    )


def _standing(endpoint: WebhookEndpoint, lately: Lately | None) -> tuple[str, str, str, str]:
    if endpoint.disabled_at is not None:
        return "paused", "paused", "Disabled", endpoint.disabled_reason
    if lately is None or not lately.newest:
        return "", "waiting", "Nothing sent lately", "Send a test to see whether it answers."
    if lately.failures:
        times = "once" if lately.failures == 1 else f"{lately.failures} times in a row"
        return "attention", "alert", "Failing", f"It failed {times}."
    if lately.newest == DeliveryState.ABANDONED:
        return "attention", "alert", "Failing", "The last message did not arrive."
    return "ok", "check", "Working", ""


def sending(delivery: Delivery, *, zone: ZoneInfo) -> Sending:
    """Show a delivery whose tries were read."""
    tries = list(delivery.attempts.all())
    last = tries[-1] if tries else None
    body = json.loads(delivery.content)
    look, word = _WORDS[DeliveryState(delivery.state)]
    is_late = delivery.state == DeliveryState.SCHEDULED and bool(tries)
    is_test = bool(body["data"].get("is_test"))
    is_of_job = delivery.name.startswith("job.") and not is_test
    return Sending(
        id=delivery.id,
        at=delivery.created_at.astimezone(zone),
        type=body["type"],
        is_test=is_test,
        job_id=delivery.subject_id if is_of_job else None,
        look="attention" if is_late else look,
        icon="retrying" if is_late else {"ok": "check"}.get(look, look),
        word="Due again" if is_late else word,
        tries=len(tries),
        answer=_answer(last) if last else "",
        took=_took(last.took_ms) if last else "",
        reason=delivery.reason or (last.reason if last else ""),
        why=delivery.reason if not last or last.reason != delivery.reason else "",
        due_at=delivery.due_at.astimezone(zone) if is_late and delivery.due_at else None,
        message_id=delivery.message_id,
        replays=delivery.replay_count,
    )


def try_of(one: DeliveryAttempt, *, zone: ZoneInfo) -> Try:
    """Show one try."""
    is_good = one.outcome == "delivered"
    return Try(
        number=one.number,
        at=one.started_at.astimezone(zone),
        look="ok" if is_good else "failed",
        icon="check" if is_good else "failed",
        answer=_answer(one),
        took=_took(one.took_ms),
        reason=one.reason,
        request=_request(one.request),
        body=one.answer,
    )


def indented(content: str) -> str:
    """Give a body so that people can read it; what is signed is the same without the blanks."""
    return json.dumps(json.loads(content), indent=2, ensure_ascii=False)


def if_ahead(moment: datetime | None, *, zone: ZoneInfo) -> datetime | None:
    """Give a time that is still to come, on the clock of whoever looks."""
    return moment.astimezone(zone) if moment and moment > timezone.now() else None


def _answer(one: DeliveryAttempt) -> str:
    if one.status_code is None:
        return "No answer"
    try:
        return f"{one.status_code} {HTTPStatus(one.status_code).phrase}"
    except ValueError:
        return str(one.status_code)


def _took(milliseconds: int) -> str:
    if milliseconds < _SECOND:
        return f"{milliseconds} ms"
    return f"{milliseconds / _SECOND:.1f} s"


def _request(sent: dict[str, Any]) -> str:
    if not sent:
        return ""
    lines = [f"{sent.get('method', '')} {sent.get('url', '')}"]
    return "\n".join([*lines, *(f"{name}: {value}" for name, value in sent["headers"].items())])
