"""Which request was sent before: by a program's key, by a form's token, by a count of retries, by its content.

A claim is a row of (owner, key). Who inserts it makes the job; whoever finds it is given that job again.
A claim by content lives for a few seconds or minutes only, and is then taken over by the next request.
"""

from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import UUID

from django.conf import settings
from django.db import connection

from jobs import requests
from jobs.errors import KeyReused
from jobs.ids import JobId
from jobs.models import IdempotencyKey, Job
from jobs.requests import VideoRequest

# Keys that we make begin with a character that no header can carry, so that no program's key meets them.
_OURS: Final = "\x1f"
# The same prompt and settings from a form within so many seconds are one job.
_SAME_FORM_SECONDS: Final = 5.0
# A request that says it was sent before is looked for so far back, seconds.
RESENT_SECONDS: Final = 120.0
# Marks a claim that a retry made: its first try may still be on the way, and is then given that job.
RETRY_MARK: Final = b"retry"

# Parts of the submit statement, `passed` is who may make the job: claims by key and by content.
KEYED: Final = """, keyed as (
    insert into idempotency_key (owner_id, key, fingerprint, job_id)
    select owner_id, %(key)s, %(fingerprint)s, %(job)s from passed/*with_key*/
    on conflict do nothing
    returning job_id
)"""
SAME: Final = """, same as (
    insert into idempotency_key as earlier (owner_id, key, fingerprint, job_id)
    select owner_id, %(content)s, %(content_mark)s, %(job)s from passed
    on conflict (owner_id, key) do update set job_id = excluded.job_id,
        created_at = excluded.created_at, fingerprint = excluded.fingerprint
        where case when %(window)s > 0
                then earlier.created_at <= now() - make_interval(secs => %(window)s)
                else not %(is_first_try)s or earlier.fingerprint <> %(retry_mark)s
                    or earlier.created_at <= now() - make_interval(secs => %(resent)s) end
            or (%(only_hopeful)s and exists (select 1 from job where job.id = earlier.job_id
                and job.state in ('failed', 'canceled', 'expired')))
    returning job_id
)"""
_FORGET: Final = """
delete from idempotency_key where (owner_id, key) in (
    select owner_id, key from idempotency_key
    where created_at < now() - make_interval(secs => %s) order by created_at limit %s
)
"""
_FIND: Final = """
select job_id, fingerprint, extract(epoch from now() - created_at)::float8
from idempotency_key where owner_id = %s and key = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What makes a request the same as an earlier one.

    `key` is for ever: one job. `content` stands for the request's content, and counts as the same for
    `window` seconds after the request that claimed it; a window of 0 takes it over at once, and with
    `only_hopeful` so does a request whose earlier job has ended without a video.
    """

    key: str | None = None
    content: str | None = None
    window: float = 0.0
    only_hopeful: bool = False
    # Of a client that counts its retries: the first try, or a later one.
    is_first_try: bool = False
    is_retry: bool = False

    @classmethod
    def by_key(cls, key: str | None) -> Self:
        """Claim by the `Idempotency-Key` of a program; without one, nothing is claimed."""
        return cls(key=key)

    @classmethod
    def by_retry_count(cls, count: int, request: VideoRequest) -> Self:
        """Claim for a client that sends no key but counts its retries, as the OpenAI SDKs do."""
        return cls(
            content=f"{_OURS}sent:{request.fingerprint().hex()}",
            window=RESENT_SECONDS if count > 0 else 0.0,
            is_first_try=count == 0,
            is_retry=count > 0,
        )

    @staticmethod
    def key_of_form(token: str) -> str | None:
        """Give the key that a form's token stands for; None without one."""
        return f"{_OURS}form:{token}" if token else None

    @classmethod
    def by_form(cls, token: str, request: VideoRequest, *, is_another_take: bool = False) -> Self:
        """Claim for a person: the form's token, and the same content within a few seconds.

        Who asks for another take gets one, from any form that was not sent yet.
        """
        return cls(
            key=cls.key_of_form(token),
            content=f"{_OURS}same:{request.fingerprint().hex()}",
            window=0.0 if is_another_take else _SAME_FORM_SECONDS,
            only_hopeful=True,
        )

    @classmethod
    def in_batch(cls, batch_id: UUID, position: int) -> Self:
        """Claim a place in a call with several requests."""
        return cls(key=f"{_OURS}batch:{batch_id}:{position}")

    @classmethod
    def by_retried_job(cls, job_id: UUID) -> Self:
        """Claim for a retry by the owner: one new job for each ended one."""
        return cls(key=f"{_OURS}retry:{job_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The job that an equal request made, and how many seconds ago."""

    job_id: JobId
    seconds_ago: float


def find(
    claim: Claim, *, request: VideoRequest, owner_id: UUID, is_refused: bool = False
) -> Earlier | None:
    """Find the job of an equal request. Raises KeyReused when the key made a different one.

    Who was refused did not come to claim its content, so that only counts while it would have stood.
    """
    if claim.key is not None:
        found = _row(owner_id, claim.key) or _forgotten(owner_id, claim.key, request=request)
        if found is not None:
            job_id, fingerprint, seconds_ago = found
            if bytes(fingerprint) != request.fingerprint():
                raise KeyReused(claim.key)
            return Earlier(job_id=JobId(job_id), seconds_ago=seconds_ago)
    if claim.content is not None and (found := _row(owner_id, claim.content)):
        if is_refused and not _stands(claim, mark=bytes(found[1]), seconds_ago=found[2]):
            return None
        return Earlier(job_id=JobId(found[0]), seconds_ago=found[2])
    return None


def _stands(claim: Claim, *, mark: bytes, seconds_ago: float) -> bool:
    if claim.is_first_try:
        return mark == RETRY_MARK and seconds_ago < RESENT_SECONDS
    return seconds_ago < claim.window


def overtaken(claim: Claim, *, owner_id: UUID) -> None:
    """Note that a first try came after its retry and was given its job: the next first try makes its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "update idempotency_key set fingerprint = '' where owner_id = %s and key = %s",
            [owner_id, claim.content],
        )


def let_go(request: VideoRequest, *, owner_id: UUID, job_id: UUID) -> None:
    """Give up a job's claim by the content of a form: the same content makes a new job from now on."""
    content = Claim.by_form("", request).content
    IdempotencyKey.objects.filter(owner_id=owner_id, key=content, job_id=job_id).delete()


def forget(*, limit: int) -> int:
    """Delete claims older than they are kept; say how many. Their jobs go on refusing a second charge."""
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [settings.IDEMPOTENCY_KEPT_SECONDS, limit])
        return int(cursor.rowcount)


def _row(owner_id: UUID, key: str) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [owner_id, key])
        found: tuple[Any, ...] | None = cursor.fetchone()
    return found


def _forgotten(owner_id: UUID, key: str, *, request: VideoRequest) -> tuple[Any, ...] | None:
    """Find the job of a key whose claim is gone: the job itself remembers, unless its words were changed since."""
    job = Job.objects.filter(owner_id=owner_id, idempotency_key=key).first()
    if job is None:
        return None
    sent = request if job.edited_at else requests.of_job(job)
    return job.id, sent.fingerprint(), settings.IDEMPOTENCY_KEPT_SECONDS
