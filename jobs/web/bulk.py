"""Actions on many jobs at once: counted before, done one by one, told in full afterwards."""

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


def waiting(owner_id: UUID) -> list[UUID]:
    """Find the owner's waiting jobs; nothing is read where the account has no live one."""
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


def failed(owner_id: UUID) -> list[tuple[UUID, int]]:
    """Find failed jobs that were not tried again, with their price, among the newest."""
    newest = Job.objects.owned_by(owner_id).newest_first()[: history.MOST_OF_A_DAY]
    rows = list(newest.values_list("id", "state", "credits_reserved", "retry_of"))
    retried = {retry_of for *_, retry_of in rows if retry_of}
    return [
        (job_id, price)
        for job_id, state, price, _ in rows
        if state == JobState.FAILED and job_id not in retried
    ][:MOST]


def choice(owner_id: UUID, verb: str) -> Choice:
    """Say what pressing the button of this verb would do now."""
    if verb == "cancel-waiting":
        count = len(waiting(owner_id))
        return Choice(
            verb=f"Cancel waiting ({count:,})",
            count=count,
            credits=0,
            title=f"Cancel {_videos(count)} that wait?",
            text="They lose their places in line. It is free: what they hold comes back at once."
            " What runs already goes on.",
            leave="Keep them",
        )
    found = failed(owner_id)
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


def offered(request: HttpRequest) -> list[tuple[str, Choice]]:
    """Give every bulk action with its address; those that would do nothing have a count of 0."""
    owner_id = callers.of(request).owner_id
    return [(reverse(f"bulk_{verb.replace('-', '_')}"), choice(owner_id, verb)) for verb in VERBS]


def act(request: HttpRequest, verb: str) -> HttpResponse:
    """Ask first on a page of its own; do it when the answer comes."""
    owner_id = callers.of(request).owner_id
    if request.method != "POST":
        found = choice(owner_id, verb)
        if answers.wants_json(request):
            return JsonResponse(asdict(found))
        context = {"choice": found, "action": request.path}
        return render(request, "jobs/sure.html", context)
    detail = _cancel(owner_id) if verb == "cancel-waiting" else _retry(owner_id)
    if answers.wants_json(request):
        return JsonResponse({"detail": detail})
    messages.info(request, detail)
    return HttpResponseRedirect(reverse("studio"), status=303)


def _cancel(owner_id: UUID) -> str:
    canceled = kept = 0
    for job_id in waiting(owner_id):
        try:
            # Free was agreed to: what began meanwhile goes on.
            transitions.cancel(JobId(job_id), owner_id=owner_id, agreed_fee=0)
            canceled += 1
        except (TransitionRefused, CancelFeeChanged):
            kept += 1
    began = f" {_videos(kept)} had begun meanwhile and went on." if kept else ""
    return f"{_videos(canceled).capitalize()} cancelled, free.{began}"


def _retry(owner_id: UUID) -> str:
    retried, refused, why = 0, 0, ""
    for job_id, _ in failed(owner_id):
        try:
            submission.retry(job_id, owner_id=owner_id)
            retried += 1
        except JobError as refusal:
            refused, why = refused + 1, str(refusal)
        except InvalidFields as invalid:
            refused, why = refused + 1, " ".join(invalid.faults.values())
    rest = f" {_videos(refused).capitalize()} could not be: {why}" if refused else ""
    return f"{_videos(retried).capitalize()} submitted again.{rest}"


def _videos(count: int) -> str:
    return "1 video" if count == 1 else f"{count:,} videos"
