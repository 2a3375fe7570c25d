"""The image that a video begins from, on its owner's pages: shown, and taken over into another request."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from jobs import callers, images
from jobs.images import Image
from jobs.models import Job
from jobs.requests import InvalidFields
from jobs.web.forms import Composer


def show(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Serve the image of one job of the caller's. Raises Http404 without one, and for anybody else's."""
    owner_id = callers.of(request).owner_id
    found = of_job(str(job_id), owner_id=owner_id)
    image = images.load(found.digest, owner_id=owner_id) if found else None
    if image is None:
        raise Http404
    return HttpResponse(
        image.content,
        content_type=image.mime,
        # The image of a job never becomes another one.
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )


def named(form: Composer) -> UUID | None:
    """Give the earlier video whose image a form names, where it names one."""
    try:
        return UUID(str(form["image_of"].value() or ""))
    except ValueError:
        return None


def of_form(request: HttpRequest) -> object:
    """Give the image that a form carries: a file, or that of an earlier video; None without one.

    Raises InvalidFields where that video is not the caller's, or begins from none.
    """
    sent, named = request.FILES.get(images.FIELD), request.POST.get("image_of", "")
    if sent is not None or not named:
        return sent
    found = of_job(named, owner_id=callers.of(request).owner_id)
    if found is None:
        raise InvalidFields({images.FIELD: "The image of that video is not there. Choose one."})
    return found


def of_job(text: str, *, owner_id: UUID) -> Image | None:
    """Name the image that an owner's job begins from; None where it begins from none, or is not theirs."""
    try:
        job_id = UUID(text)
    except ValueError:
        return None
    mine = Job.objects.owned_by(owner_id).filter(id=job_id)
    digest = mine.values_list("image_digest", flat=True).first()
    return Image(digest=bytes(digest)) if digest else None
