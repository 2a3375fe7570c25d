"""Other words for a video that waits: a form on a page of its own, or in a dialog of a page that stays open."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, edits
from jobs.errors import EditRefused
from jobs.ids import JobId
from jobs.moderation import ModerationAway
from jobs.requests import InvalidFields
from jobs.web import answers, cards, fragments

_SAVED = "Saved. It keeps its place in line."


def act(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show the form, or why it is too late; save what it holds. Raises Http404 for anybody else's."""
    row = fragments.row_of(request, job_id)
    if request.method != "POST":
        late = "" if cards.can_edit(row) else str(EditRefused(job_id=job_id, current=row["state"]))
        return _form(request, row, refusal=late, status=409 if late else 200)
    sent = {**row, **{name: request.POST.get(name, "") for name in ("prompt", "seed")}}
    try:
        edits.edit(
            JobId(job_id),
            owner_id=callers.of(request).owner_id,
            prompt=sent["prompt"],
            seed=sent["seed"],
        )
    except InvalidFields as invalid:
        return _form(request, sent, faults=invalid.faults, status=400)
    except EditRefused as refusal:
        return _form(request, sent, refusal=str(refusal), status=409)
    except ModerationAway as refusal:
        return _form(request, sent, faults={"prompt": str(refusal)}, status=503)
    if answers.wants_json(request):
        return JsonResponse(fragments.card_answer(request, job_id) | {"detail": _SAVED})
    messages.success(request, _SAVED)
    return HttpResponseRedirect(reverse("job", args=[job_id]), status=303)


def _form(
    request: HttpRequest,
    row: Mapping[str, Any],
    *,
    status: int,
    faults: Mapping[str, str] | None = None,
    refusal: str = "",
) -> HttpResponse:
    context = {
        "job_id": row["id"],
        "prompt": row["prompt"],
        "seed": "" if row["seed"] is None else row["seed"],
        "faults": faults or {},
        "refusal": refusal,
    }
    if answers.wants_json(request):
        form = fragments.part("jobs/_edit_form.html", request, **context)
        return JsonResponse({"form": form}, status=status)
    return render(request, "jobs/edit.html", context, status=status)
