"""The page on which people turn pushes to their browsers and phones on and off."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from notifications import channel_list, push_targets
from notifications.errors import PushTargetMissing
from videogen.accounts.devices import described


@login_required
@require_http_methods(["GET", "POST"])
def push(request: HttpRequest) -> HttpResponse:
    """Show what is told by push, and turn one of them off."""
    owner_id = UUID(str(request.user.pk))
    if request.method == "POST":
        try:
            if "device" in request.POST:
                push_targets.remove_device(owner_id, _id(request.POST["device"]))
            else:
                push_targets.remove_browser(owner_id, _id(request.POST.get("browser", "")))
        except PushTargetMissing:
            raise Http404 from None
        messages.success(request, "Turned off there.")
        return redirect("push")
    channels = {one.name: one for one in channel_list.of()}
    context = {
        "web": channels[push_targets.WEB],
        "mobile": channels[push_targets.MOBILE],
        "browsers": [
            {
                "id": one.id,
                "name": one.name or described(one.user_agent),
                "created_at": one.created_at,
            }
            for one in push_targets.browsers(owner_id)
        ],
        "devices": [
            {
                "id": one.id,
                "name": one.name or one.get_platform_display(),
                "created_at": one.created_at,
            }
            for one in push_targets.devices(owner_id)
        ],
    }
    return render(request, "accounts/push.html", context)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Http404 from None
