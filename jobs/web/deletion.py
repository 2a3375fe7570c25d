"""Deleting an ended video from the pages: asked about first, because it cannot be brought back."""

from dataclasses import asdict
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from jobs import callers, removal
from jobs.ids import JobId
from jobs.web import answers, fragments, pages
from jobs.web.bulk import Choice


def act(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask on a page of its own; delete when the answer comes. Raises Http404 for anybody else's."""
    row = fragments.row_of(request, job_id)
    if row["finished_at"] is None:
        detail = "It has not ended yet. Cancel it first."
        if answers.wants_json(request):
            return JsonResponse({"detail": detail}, status=409)
        return pages.job(request, job_id, status=409, refusal=detail)
    if request.method != "POST":
        return _asked(request, row["credits_charged"], job_id)
    removal.remove(JobId(job_id), owner_id=callers.of(request).owner_id)
    if answers.wants_json(request):
        return JsonResponse({"detail": "Deleted.", "removed": str(job_id)})
    messages.info(request, "Deleted.")
    return HttpResponseRedirect(reverse("studio"), status=303)


def _asked(request: HttpRequest, charged: int, job_id: UUID) -> HttpResponse:
    paid = f" The {charged:,} credits that it cost stay charged." if charged else ""
    found = Choice(
        verb="Delete it",
        count=1,
        credits=0,
        title="Delete this video?",
        text=f"It leaves your lists and its page, and cannot be brought back.{paid}",
        leave="Keep it",
    )
    if answers.wants_json(request):
        return JsonResponse(asdict(found))
    context = {"choice": found, "action": request.path, "back": reverse("job", args=[job_id])}
    return render(request, "jobs/sure.html", context)
