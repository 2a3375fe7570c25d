"""The page of a person's own data: a copy of it, and deleting the account. Works without JavaScript."""

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from videogen.accounts import deletions, exports
from videogen.accounts.models import User
from videogen.accounts.own_data import FILE_NAME


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth has no types
def data(request: HttpRequest) -> HttpResponse:
    """Show how far the copy is and whether the account goes; ask for either, or keep the account."""
    user, fault = _user(request), ""
    if request.method == "POST":
        try:
            said = _done(user, request)
        except deletions.DeletionRefused as refusal:
            fault = str(refusal)
        else:
            messages.success(request, said)
            return redirect("own_data")
    context = {
        "fault": fault,
        "export": exports.of(user.pk),
        "deletion": deletions.of(user.pk),
        "grace_days": settings.DELETION_GRACE_DAYS,
    }
    return render(request, "accounts/data.html", context, status=400 if fault else 200)


@login_required
@never_cache
@require_GET
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth has no types
def copy(request: HttpRequest) -> StreamingHttpResponse:
    """Give the finished copy as a file."""
    user = _user(request)
    found = exports.of(user.pk)
    if found is None or found.finished_at is None:
        raise Http404
    return StreamingHttpResponse(
        exports.content(user.pk),
        content_type="application/gzip",
        headers={"Content-Disposition": f'attachment; filename="{FILE_NAME}"'},
    )


def _done(user: User, request: HttpRequest) -> str:
    match request.POST.get("do"):
        case "copy":
            exports.request(user.pk)
            return "Your copy is being made. Look again in a minute."
        case "delete":
            deletions.request(user, email=request.POST.get("email", ""))
            return "Your account will be deleted. Until then you can keep it here."
        case "keep":
            deletions.take_back(user.pk)
            return "Your account stays."
        case _:
            raise Http404


def _user(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Http404
    return request.user
