"""Clips and thumbnails that were made in our own workers."""

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe
from whitenoise.responders import StaticFile


@require_safe
def preview_file(request: HttpRequest, name: str) -> HttpResponseBase:
    """Serve a clip or thumbnail to whoever knows its unguessable name, ranges included."""
    path = settings.PREVIEW_ROOT / name
    if not path.is_file():
        raise Http404
    kind = "video/mp4" if path.suffix == ".mp4" else "image/webp"
    file = StaticFile(
        str(path), [("Content-Type", kind), ("Cache-Control", "private, max-age=86400")]
    )
    found = file.get_response(request.method, request.META)
    # The file is closed by Django when the answer was sent.
    response: HttpResponseBase = (
        HttpResponse(status=int(found.status))
        if found.file is None
        else FileResponse(found.file, status=int(found.status), content_type=kind)
    )
    for key, value in found.headers:
        response[key] = value
    return response
