"""Actions on many jobs at once: counted before, done one by one, told in full afterwards."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, history, submission, transitions
from jobs.errors import CancelFeeChanged, JobError, TransitionRefused
from jobs.ids import JobId
from jobs.models import Account, Job
from jobs.requests import InvalidFields
from jobs.states import JobState
from jobs.web import answers

# One press does at most so many; the rest is another press.
MOST: Final = 200
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
VERBS: Final = ("cancel-waiting", "retry-failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What one press would do: to how many jobs, at which price, in words."""

    verb: str
    count: int
    credits: int
    title: str
    text: str
    leave: str


def waiting(owner_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
    """Find the owner's waiting jobs; nothing is read where the account has no live one."""
    if among is not None:
        mine = Job.objects.owned_by(owner_id).filter(id__in=among, state=JobState.QUEUED)
        return list(mine.values_list("id", flat=True))
    live = Account.objects.filter(owner_id=owner_id).values_list("live_count", flat=True).first()
    if not live:
        return []
    # The account says how many there are to find, so that the reading ends with the last of them.
    found = (
        Job.objects.owned_by(owner_id)
        .live()
        .newest_first()
        .values_list("id", "state")[: min(live, MOST)]
    )
    return [job_id for job_id, state in found if state == JobState.QUEUED]


def failed(owner_id: UUID, among: Sequence[UUID] | None = None) -> list[tuple[UUID, int]]:
    """Find failed jobs that were not tried again, with their price, among the newest."""
    mine = Job.objects.owned_by(owner_id).newest_first()
    newest = mine[: history.MOST_OF_A_DAY] if among is None else mine.filter(id__in=among)
    rows = list(newest.values_list("id", "state", "credits_reserved", "retry_of"))
    retried = {retry_of for *_, retry_of in rows if retry_of}
    return [
        (job_id, price)
        for job_id, state, price, _ in rows
        if state == JobState.FAILED and job_id not in retried
    ][:MOST]


def choice(owner_id: UUID, verb: str, among: Sequence[UUID] | None = None) -> Choice:
    """Say what pressing the button of this verb would do now, to all jobs or to those among some."""
    if verb == "cancel-waiting":
        count = len(waiting(owner_id, among))
        return Choice(
            verb=f"Cancel waiting ({count:,})",
            count=count,
            credits=0,
            title=f"Cancel {_videos(count)} that wait?",
            text="They lose their places in line. It is free: what they hold comes back at once."
            " What runs already goes on.",
            leave="Keep them",
        )
    found = failed(owner_id, among)
    price = sum(price for _, price in found)
    return Choice(
        verb=f"Retry failed ({len(found):,})",
        count=len(found),
        credits=price,
        title=f"Retry {_videos(len(found))} that failed?",
        text=f"Each becomes a new video with the same settings. {price:,} credits are held for them"
        " and charged once each is ready; the failed ones cost nothing.",
        leave="Leave them",
    )


def offered(
    request: HttpRequest, *, batch_id: UUID | None = None, among: Sequence[UUID] | None = None
) -> list[tuple[str, Choice]]:
    """Give every bulk action with its address; those that would do nothing have a count of 0."""
    owner_id = callers.of(request).owner_id
    return [(_address(verb, batch_id), choice(owner_id, verb, among)) for verb in VERBS]


def act(
    request: HttpRequest,
    verb: str,
    *,
    batch_id: UUID | None = None,
    among: Sequence[UUID] | None = None,
) -> HttpResponse:
    """Ask first on a page of its own; do it when the answer comes."""
    owner_id = callers.of(request).owner_id
    back = reverse("batch", args=[batch_id]) if batch_id else reverse("studio")
    if request.method != "POST":
        found = choice(owner_id, verb, among)
        if answers.wants_json(request):
            return JsonResponse(asdict(found))
        context = {"choice": found, "action": request.path, "back": back}
        return render(request, "jobs/sure.html", context)
    done = _cancel(owner_id, among) if verb == "cancel-waiting" else _retry(owner_id, among)
    if answers.wants_json(request):
        return JsonResponse(asdict(done))
    messages.info(request, done.detail)
    return HttpResponseRedirect(back, status=303)


def put_back(request: HttpRequest) -> HttpResponse:
    """Undo a cancel of several: submit those again that the caller has just cancelled."""
    ids = {text for text in request.POST.getlist("job")[:MOST] if _UUID.fullmatch(text)}
    mine = Job.objects.owned_by(callers.of(request).owner_id)
    canceled = mine.filter(id__in=ids, state=JobState.CANCELED, credits_charged=0)
    done = _submit_again(
        callers.of(request).owner_id, canceled.order_by("created_at").values_list("id", flat=True)
    )
    verb = "is" if done.count == 1 else "are"
    detail = f"{_videos(done.count).capitalize()} {verb} back in line, at its end.{done.rest}"
    return JsonResponse({"detail": detail})


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of a press, and which jobs an undo would submit again."""

    detail: str
    undo: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Again:
    count: int
    rest: str


def _address(verb: str, batch_id: UUID | None) -> str:
    name = f"bulk_{verb.replace('-', '_')}"
    return reverse(f"batch_{name}", args=[batch_id]) if batch_id else reverse(name)


def _cancel(owner_id: UUID, among: Sequence[UUID] | None) -> Done:
    canceled: list[str] = []
    kept = 0
    for job_id in waiting(owner_id, among):
        try:
            # Free was agreed to: what began meanwhile goes on.
            transitions.cancel(JobId(job_id), owner_id=owner_id, agreed_fee=0)
            canceled.append(str(job_id))
        except (TransitionRefused, CancelFeeChanged):
            kept += 1
    began = f" {_videos(kept)} had begun meanwhile and went on." if kept else ""
    detail = f"{_videos(len(canceled)).capitalize()} cancelled, free.{began}"
    return Done(detail=detail, undo=canceled)


def _retry(owner_id: UUID, among: Sequence[UUID] | None) -> Done:
    done = _submit_again(owner_id, (job_id for job_id, _ in failed(owner_id, among)))
    detail = f"{_videos(done.count).capitalize()} submitted again.{done.rest}"
    return Done(detail=detail, undo=[])


def _submit_again(owner_id: UUID, ids: Iterable[UUID]) -> _Again:
    count, refused, why = 0, 0, ""
    for job_id in ids:
        try:
            submission.retry(job_id, owner_id=owner_id, sent_by=callers.PAGES)
            count += 1
        except JobError as refusal:
            refused, why = refused + 1, str(refusal)
        except InvalidFields as invalid:
            refused, why = refused + 1, " ".join(invalid.faults.values())
    rest = f" {_videos(refused).capitalize()} could not be: {why}" if refused else ""
    return _Again(count=count, rest=rest)


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count:,} videos"
