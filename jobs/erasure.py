"""Erasing what a person wrote and was given from their jobs. Ids, states, times and money stay."""

from collections.abc import Mapping
from typing import Final

# Each takes an owner, the key after which to go on, and how many rows; it gives the keys of the rows it dealt with.
_JOBS: Final = """
with chosen as (
    select id, created_at from job
    where owner_id = %(owner)s and (created_at, id) > (%(at)s::timestamptz, %(id)s::uuid)
    order by created_at, id limit %(limit)s
), erased as (
    update job set prompt = '', seed = null, thumbnail_url = '', error_message = '', idempotency_key = null,
        image_digest = null, sent_by = '', hidden_at = coalesce(hidden_at, now()),
        -- A finished job has an address; this one leads nowhere (RFC 2606).
        video_url = case when state = 'succeeded' then 'https://erased.invalid/' else '' end
    from chosen where job.id = chosen.id and job.finished_at is not null
), attempts as (
    update attempt set detail = '', handle = '{}' from chosen where attempt.job_id = chosen.id
), late as (
    update late_result set video_url = 'https://erased.invalid/', thumbnail_url = ''
    from chosen where late_result.job_id = chosen.id
)
select created_at::text as at, id::text as id from chosen order by created_at, chosen.id
"""
_IMAGES: Final = """
delete from input_image where (owner_id, digest) in (
    select owner_id, digest from input_image where owner_id = %(owner)s limit %(limit)s
) returning ''::text as at, ''::text as id
"""
_KEYS: Final = """
delete from idempotency_key where (owner_id, key) in (
    select owner_id, key from idempotency_key where owner_id = %(owner)s limit %(limit)s
) returning ''::text as at, ''::text as id
"""
_BATCHES: Final = """
with chosen as (
    select id from batch where owner_id = %(owner)s and key is not null limit %(limit)s
)
update batch set key = null from chosen where batch.id = chosen.id returning ''::text as at, ''::text as id
"""
STEPS: Final[Mapping[str, str]] = {
    "jobs": _JOBS,
    "images": _IMAGES,
    "idempotency_keys": _KEYS,
    "batches": _BATCHES,
}
