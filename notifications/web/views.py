"""The page behind the way out of mail."""

from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from notifications import announcements, preferences, unsubscribing

_PAGE: Final = "notifications/unsubscribe.html"


# The signed address is the proof: mail programs post to it without a session or a page of ours (RFC 8058).
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Turn mail of one kind off. A GET only asks, because scanners open every address of a mail."""
    found = unsubscribing.read(token)
    announcement = announcements.of(found.name) if found else None
    if found is None or announcement is None or announcement.is_forced:
        raise Http404
    is_default = found.channel in announcement.on_by_default
    if request.method == "POST":
        preferences.choose(
            found.owner_id, found.name, found.channel, is_on=False, default=is_default
        )
    is_on = preferences.is_on(found.owner_id, found.name, found.channel, default=is_default)
    return render(request, _PAGE, {"title": announcement.title, "is_done": not is_on})
