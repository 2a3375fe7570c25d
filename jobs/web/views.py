"""Entry points of the dashboard: who may come in, by which method, and where it goes."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.web import (
    actions,
    answers,
    batch,
    bulk,
    deletion,
    edits,
    fragments,
    notices,
    pages,
    pictures,
    sendings,
)
from jobs.web import history as history_page
from jobs.web import usage as usage_page


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def studio(request: HttpRequest) -> HttpResponse:
    """Show the composer and today; take a submission."""
    if request.method == "POST":
        return actions.submit(request)
    if answers.wants_json(request):
        return JsonResponse(fragments.today_answer(request))
    return pages.studio(request)


@login_required
@require_GET
def history(request: HttpRequest) -> HttpResponse:
    """Show the jobs of any day, filtered by the address."""
    return history_page.page(request)


@login_required
@require_GET
def job_row(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Give one line of the history, for a page that is open."""
    return history_page.row(request, job_id)


@login_required
@require_GET
def usage(request: HttpRequest) -> HttpResponse:
    """Show the plan's limits, the credits, and where they went."""
    return usage_page.page(request)


@login_required
@require_GET
def usage_table(request: HttpRequest) -> HttpResponse:
    """Give the use of the last days as a file."""
    return usage_page.table(request)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def notices_page(request: HttpRequest) -> HttpResponse:
    """Show the notification centre; mark what was read."""
    return notices.read(request) if request.method == "POST" else notices.page(request)


@login_required
@require_GET
def what_we_sent(request: HttpRequest) -> HttpResponse:
    """Show every mail, push and webhook to the caller, and why one was not sent."""
    return sendings.page(request)


@login_required
@require_GET
def numbers(request: HttpRequest) -> JsonResponse:
    """Give credits and unread notices, for a page that is open."""
    return JsonResponse(fragments.numbers(request))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def bulk_action(request: HttpRequest, verb: str) -> HttpResponse:
    """Do something to many jobs of the caller's, after asking."""
    return bulk.act(request, verb)


@login_required
@require_POST
def put_back(request: HttpRequest) -> HttpResponse:
    """Submit jobs again that were cancelled a moment ago."""
    return bulk.put_back(request)


@login_required
@require_http_methods(["GET", "HEAD"])
def batch_page(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Show the jobs that were submitted in one call."""
    if answers.wants_json(request):
        return JsonResponse(batch.answer(request, batch_id))
    return batch.page(request, batch_id)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def batch_action(request: HttpRequest, batch_id: UUID, verb: str) -> HttpResponse:
    """Do something to many jobs of one batch, after asking."""
    return batch.act(request, batch_id, verb)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def job_delete(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Delete an ended job of the caller's, after asking."""
    return deletion.act(request, job_id)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def job_edit(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Give a waiting job of the caller's other words."""
    return edits.act(request, job_id)


@login_required
@require_GET
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show one job: its video, its money, its settings, its story."""
    return pages.job(request, job_id)


@login_required
@require_GET
def job_image(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Serve the image that a job of the caller's begins from."""
    return pictures.show(request, job_id)


@login_required
@require_GET
def job_card(request: HttpRequest, job_id: UUID) -> JsonResponse:
    """Give one job's card and today's tally, for a page that is open."""
    return JsonResponse(fragments.card_answer(request, job_id))


@login_required
@require_GET
def waiting(request: HttpRequest) -> JsonResponse:
    """Say how long the waiting jobs still wait, for a page that is open."""
    return JsonResponse(fragments.waiting_answer(request))


@login_required
@require_POST
def quote(request: HttpRequest) -> JsonResponse:
    """Say what the form as it stands would cost and wait. Takes the form's fields, and submits nothing."""
    return actions.quote(request)


@login_required
@require_POST
def job_cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job of the caller's."""
    return actions.cancel(request, job_id)


@login_required
@require_POST
def job_retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Submit an ended job's request again."""
    return actions.retry(request, job_id)
