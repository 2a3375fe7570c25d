"""What a person does on the pages: submit, cancel, retry. Each answers a page, or JSON to an open one."""

import re
import secrets
import zlib
from collections.abc import Mapping
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse

from jobs import batches, callers, images, requests, submission, transitions
from jobs.entrance import Origin
from jobs.errors import (
    Busy,
    CancelFeeChanged,
    KeyReused,
    NoRoom,
    QuotaExceeded,
    RetryRefused,
    StillInProgress,
    TransitionRefused,
)
from jobs.idempotency import Claim
from jobs.ids import JobId
from jobs.requests import InvalidFields, VideoRequest
from jobs.shield import submit_wait
from jobs.web import answers, fragments, pages, pictures, quoting
from jobs.web.forms import FIELDS, Composer, takes_of

# What our forms carry; anything else claims nothing.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def submit(request: HttpRequest) -> HttpResponse:
    """Take a submission; the same one again within seconds gives back the same job."""
    form = Composer(request.POST, request.FILES)
    if wait := submit_wait(request):
        detail = f"Too many at once. Try again in {wait} s. Your prompt is kept."
        return _refused(request, form, detail, status=429, wait=wait)
    try:
        fields = {name: request.POST.get(name) for name in FIELDS}
        wanted = requests.read(fields | {images.FIELD: pictures.of_form(request)})
        accepted, left = _taken(request, wanted)
    except InvalidFields as invalid:
        return _invalid(request, form, invalid.faults)
    except KeyReused:
        detail = "This form was sent before with another prompt. Press Generate once more."
        return _refused(request, _with_new_token(request), detail, status=409)
    except (QuotaExceeded, NoRoom) as refusal:
        detail = f"{refusal} Your prompt is kept."
        status = 429 if isinstance(refusal, QuotaExceeded) else 503
        return _refused(request, form, detail, status=status, wait=refusal.retry_after_seconds)
    except (StillInProgress, Busy) as refusal:
        detail = "Your other submissions are not through yet. Press Generate again in a second."
        return _refused(request, form, detail, status=503, wait=refusal.retry_after_seconds)
    if answers.wants_json(request):
        return _submitted(request, accepted, left=left)
    return _back_to_studio(request, accepted, left=left)


def _back_to_studio(
    request: HttpRequest, accepted: submission.Accepted, *, left: str
) -> HttpResponse:
    if accepted.is_replay:
        return _to_job(accepted)
    if left:
        messages.warning(request, left)
    return HttpResponseRedirect(reverse("studio"), status=303)


def _taken(request: HttpRequest, wanted: VideoRequest) -> tuple[submission.Accepted, str]:
    """Submit one video, or several takes of it as a batch; say too which of them met a limit.

    Raises what a submission raises; of several takes, where none was accepted.
    """
    owner_id, takes = callers.of(request).owner_id, takes_of(request.POST)
    is_another_take = request.POST.get("another_take") == "1"
    if takes == 1 or is_another_take:
        claim = Claim.by_form(_token(request), wanted, is_another_take=is_another_take)
        origin = Origin(sent_by=callers.PAGES)
        return submission.submit(wanted, owner_id=owner_id, claim=claim, origin=origin), ""
    token = _token(request)
    # Each has a seed of its own: the one that was given, or one of the form's, and those after it.
    first = _seed_of(token) if wanted.seed is None else wanted.seed
    each = [requests.read(wanted.fields() | {"seed": first + n}) for n in range(takes)]
    made = batches.submit(
        each, owner_id=owner_id, key=Claim.key_of_form(token), sent_by=callers.PAGES
    )
    accepted = [result.accepted for result in made.results if result.accepted]
    refusals = [result.refusal for result in made.results if result.refusal]
    if not accepted:
        raise refusals[0]
    left = f"{len(accepted)} of {takes} takes were submitted. {refusals[0]}" if refusals else ""
    return accepted[0], left


def quote(request: HttpRequest) -> JsonResponse:
    """Say what the form would cost, wait and take of the plan; without a prompt too."""
    fields = {name: request.POST.get(name) for name in FIELDS}
    try:
        told = quoting.of_form(fields, takes=takes_of(request.POST), caller=callers.of(request))
    except InvalidFields as invalid:
        return JsonResponse(
            {"errors": {n: [text] for n, text in invalid.faults.items()}}, status=400
        )
    return JsonResponse(told)


def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a waiting job, or ask a running one to stop. Too late is an honest outcome."""
    fragments.row_of(request, job_id)
    detail = ""
    try:
        transitions.cancel(
            JobId(job_id), owner_id=callers.of(request).owner_id, agreed_fee=_agreed_fee(request)
        )
    except TransitionRefused:
        detail = "Too late: it had already ended."
    except CancelFeeChanged as refusal:
        detail = str(refusal)
    if answers.wants_json(request):
        answer = fragments.card_answer(request, job_id) | {"detail": detail}
        if not detail and answer["look"] == "cancelled":
            answer["undo"] = str(job_id)
        return JsonResponse(answer)
    if detail:
        return pages.job(request, job_id, status=409, refusal=detail)
    return HttpResponseRedirect(reverse("studio"), status=303)


def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Submit an ended job's request again. Pressing twice gives the same new job."""
    fragments.row_of(request, job_id)
    try:
        owner_id = callers.of(request).owner_id
        accepted = submission.retry(job_id, owner_id=owner_id, sent_by=callers.PAGES)
    except InvalidFields as invalid:
        return _not_retried(request, job_id, " ".join(invalid.faults.values()), status=400)
    except RetryRefused as refusal:
        return _not_retried(request, job_id, str(refusal), status=409)
    except QuotaExceeded as refusal:
        return _not_retried(request, job_id, str(refusal), status=429)
    except (NoRoom, StillInProgress, Busy) as refusal:
        return _not_retried(request, job_id, str(refusal), status=503)
    if answers.wants_json(request):
        return _submitted(request, accepted)
    return _to_job(accepted)


def _to_job(accepted: submission.Accepted) -> HttpResponse:
    address = reverse("job", args=[accepted.job_id])
    return HttpResponseRedirect(
        f"{address}?repeated" if accepted.is_replay else address, status=303
    )


def _with_new_token(request: HttpRequest) -> Composer:
    data = request.POST.copy()
    data["token"] = secrets.token_urlsafe(16)
    return Composer(data)


def _token(request: HttpRequest) -> str:
    token = request.POST.get("token", "")
    return token if _TOKEN.fullmatch(token) else ""


def _seed_of(token: str) -> int:
    """Give a seed that nobody chose: the same one where the form is sent again."""
    return zlib.crc32(token.encode()) >> 1 if token else secrets.randbelow(2**31)


def _agreed_fee(request: HttpRequest) -> int:
    fee = request.POST.get("fee", "")
    return int(fee[:9]) if fee.isascii() and fee.isdigit() else 0


def _not_retried(request: HttpRequest, job_id: UUID, detail: str, *, status: int) -> HttpResponse:
    if answers.wants_json(request):
        return JsonResponse({"detail": detail}, status=status)
    return pages.job(request, job_id, refusal=detail, status=status)


def _submitted(
    request: HttpRequest, accepted: submission.Accepted, *, left: str = ""
) -> HttpResponse:
    answer = fragments.card_answer(request, accepted.job_id) | {
        "job_id": str(accepted.job_id),
        "url": reverse("job", args=[accepted.job_id]),
        "repeated": accepted.is_replay,
        "seconds_ago": round(accepted.seconds_ago),
        "token": secrets.token_urlsafe(16),
        "left": left,
    }
    return JsonResponse(answer, status=202)


def _invalid(request: HttpRequest, form: Composer, faults: Mapping[str, str]) -> HttpResponse:
    if answers.wants_json(request):
        return JsonResponse({"errors": {name: [text] for name, text in faults.items()}}, status=400)
    form.full_clean()
    for name, text in faults.items():
        if name in form.fields:
            form.errors[name] = form.error_class([text])
    return pages.studio(request, form, status=400)


def _refused(
    request: HttpRequest, form: Composer, detail: str, *, status: int, wait: int | None = None
) -> HttpResponse:
    if answers.wants_json(request):
        answer: HttpResponse = JsonResponse(
            {"detail": detail, "token": secrets.token_urlsafe(16)}, status=status
        )
    else:
        # No browser fills in a file again.
        again = " Choose the image again." if request.FILES else ""
        answer = pages.studio(request, form, status=status, refusal=f"{detail}{again}")
    if wait is not None:
        answer["Retry-After"] = str(wait)
    return answer
