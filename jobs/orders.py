"""What a backend is told of an attempt, read from the rows; and what we make of the video that it gives."""

import hashlib
import hmac
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from jobs.backends.backend import Needs, Order, Site, Video
from jobs.ids import JobId, OwnerId
from jobs.models import Pool
from notifications import sealing

logger = logging.getLogger(__name__)

# Of a job `j`, an attempt `a` and its pool `p`, in the order that `of_row` reads.
COLUMNS: Final = """
    j.id, j.owner_id, a.number, j.prompt, j.model, j.seconds, j.size, j.seed,
    p.name, p.driver, p.profile, p.url, p.sealed_key, p.sealed_webhook_secret, p.result_hosts,
    a.submitted_at, a.backend_job_id, a.handle, p.field_map,
    p.image_input, j.image_digest, j.remixed_from
"""
# Has no attempts; its token stands in for what is none.
_NO_JOB: Final = UUID(int=0)
COUNT: Final = COLUMNS.count(",") + 1


def of_row(row: Sequence[Any]) -> Order:
    """Make the order of one row that begins with COLUMNS.

    A secret that cannot be opened is left out: its server refuses us, and what waits for it goes on elsewhere.
    """
    width, height = (int(side) for side in row[6].split("x"))
    job_id, attempt = JobId(row[0]), row[2]
    return Order(
        job_id=job_id,
        owner_id=OwnerId(row[1]),
        attempt=attempt,
        prompt=row[3],
        model=row[4],
        seconds=row[5],
        width=width,
        height=height,
        seed=row[7],
        site=Site(
            pool=row[8],
            driver=row[9],
            profile=row[10],
            url=row[11],
            key=_opened(row[12], pool=row[8]),
            webhook_secret=_opened(row[13], pool=row[8]),
            result_hosts=tuple(row[14]),
            field_map=handle(row[18]),
            image_input=row[19],
        ),
        submitted_at=row[15],
        backend_job_id=row[16],
        handle=handle(row[17]),
        callback_url=settings.PUBLIC_URL
        + reverse("backend_webhook_of_attempt", args=[row[8], token(job_id, attempt)]),
        needs=_needs(row[20], row[21]),
    )


def _needs(image_digest: bytes | None, remixed_from: UUID | None) -> Needs | None:
    if image_digest is None and remixed_from is None:
        return None
    return Needs(image_digest=bytes(image_digest or b""), remixed_from=remixed_from)


def handle(stored: str | Mapping[str, str]) -> Mapping[str, str]:
    """Give the driver's own words back; a cursor gives JSON as text."""
    return json.loads(stored) if isinstance(stored, str) else stored


def site_of(pool: Pool) -> Site:
    """Give a pool's server. Raises sealing.CannotOpen."""
    return Site(
        pool=pool.name,
        driver=pool.driver,
        profile=pool.profile,
        url=pool.url,
        key=sealing.unseal(pool.sealed_key),
        webhook_secret=sealing.unseal(pool.sealed_webhook_secret),
        result_hosts=tuple(pool.result_hosts),
        field_map=pool.field_map,
        image_input=pool.image_input,
    )


def token(job_id: UUID, attempt: int) -> str:
    """Make the part of a callback address that says, unforgeably, which attempt it is about."""
    return f"{job_id.hex}-{attempt}-{_mark(job_id, attempt)}"


def of_token(text: str) -> tuple[JobId, int] | None:
    """Give the attempt of a callback address; None when we did not make it, which takes as long to tell."""
    parts = text.split("-")
    try:
        job_id, attempt = UUID(hex=parts[0]), int(parts[1])
    except (ValueError, IndexError):
        job_id, attempt = _NO_JOB, 0
    is_ours = hmac.compare_digest(token(job_id, attempt).encode(), text.encode())
    return (JobId(job_id), attempt) if is_ours else None


def published(order: Order, video: Video) -> Video:
    """Give the video as its owner shall open it: a file that only we may fetch gets an address of ours."""
    if not video.is_content:
        return video
    return replace(
        video, url=settings.PUBLIC_URL + reverse("job_video", args=[order.job_id, order.attempt])
    )


def _opened(sealed: str, *, pool: str) -> str:
    try:
        return sealing.unseal(sealed)
    except sealing.CannotOpen as error:
        logger.error("secret_not_opened", extra={"pool": pool, "reason": str(error)})
        return ""


def _mark(job_id: UUID, attempt: int) -> str:
    message = f"callback {job_id.hex} {attempt}".encode()
    return hmac.digest(settings.SECRET_KEY.encode(), message, hashlib.sha256).hex()[:32]
