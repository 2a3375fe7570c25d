"""Several requests in one call: each is accepted or refused on its own, and a repeat goes on where it stopped.

A fault of one request is a fault of the program and refuses the whole call before anything is written. A
limit refuses single requests: those accepted stay, and the same call sent again, with its key, submits only
the ones that were refused.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection

from jobs import batch_ends, submission
from jobs.entrance import Origin
from jobs.errors import Busy, JobError, KeyReused, NoRoom, QuotaExceeded, StillInProgress
from jobs.idempotency import Claim
from jobs.ids import new_id
from jobs.requests import VideoRequest
from jobs.submission import Accepted

LARGEST: Final = 20

# One row per (owner, key); who comes second is given the first one's, and its digest to compare.
_OPEN: Final = """
with opened as (
    insert into batch (id, owner_id, key, fingerprint, size) values (%s, %s, %s, %s, %s)
    on conflict (owner_id, key) where key is not null do nothing
    returning id, fingerprint
)
select id, fingerprint, false from opened
union all select id, fingerprint, true from batch where owner_id = %s and key = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one request: its job, or why there is none."""

    accepted: Accepted | None = None
    refusal: JobError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A call with several requests, and its results in their order."""

    batch_id: UUID
    is_replay: bool
    results: Sequence[Result]


def submit(
    wanted: Sequence[VideoRequest], *, owner_id: UUID, key: str | None, sent_by: str = ""
) -> Submitted:
    """Submit each request. Raises KeyReused when the key made a call with other requests."""
    batch_id, is_replay = _open(wanted, owner_id=owner_id, key=key)
    results: list[Result] = []
    for position, request in enumerate(wanted):
        try:
            accepted = submission.submit(
                request,
                owner_id=owner_id,
                claim=Claim.in_batch(batch_id, position),
                origin=Origin(batch_id=batch_id, sent_by=sent_by),
            )
        except (QuotaExceeded, NoRoom, StillInProgress, Busy) as refusal:
            results.append(Result(refusal=refusal))
        else:
            results.append(Result(accepted=accepted))
    batch_ends.close(batch_id)
    return Submitted(batch_id=batch_id, is_replay=is_replay, results=results)


def _open(wanted: Sequence[VideoRequest], *, owner_id: UUID, key: str | None) -> tuple[UUID, bool]:
    digest = hashlib.sha256(b"".join(request.fingerprint() for request in wanted)).digest()
    values = [new_id(), owner_id, key, digest, len(wanted), owner_id, key]
    with connection.cursor() as cursor:
        found = None
        while found is None:
            cursor.execute(_OPEN, values)
            found = cursor.fetchone()
    batch_id, fingerprint, is_replay = found
    if bytes(fingerprint) != digest:
        raise KeyReused(str(key))
    return batch_id, is_replay
