"""Finding a job by any id that somebody has at hand. Whole values only, each answered by an index."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection

from jobs.ids import read_job_id

MOST: Final = 50
_LONGEST: Final = 600

_COLUMNS: Final = """
select job.id, job.state, job.tier_id, job.model, job.attempt, job.pool_id, job.created_at, job.finished_at,
    job.prompt, job.cancel_requested_at, job.owner_id
"""
# By our id; by the batch that it came in; by the job that it retries or varies; by its owner.
_BY_ID: Final = f"{_COLUMNS} from job where job.id = %(id)s"
_BY_BATCH: Final = f"""{_COLUMNS} from job
where job.batch_id = %(id)s order by job.id limit %(most)s"""
_BY_OWNER: Final = f"""{_COLUMNS} from job
where job.owner_id = %(id)s order by job.created_at desc, job.id desc limit %(most)s"""
# A server's id is unique within its pool only, so it is looked for in each.
_BY_BACKEND: Final = f"""{_COLUMNS} from (
    select a.job_id from pool cross join lateral (
        select job_id from attempt where attempt.pool = pool.name and backend_job_id = %(text)s
            and backend_job_id <> '' limit %(most)s
    ) a limit %(most)s
) found join job on job.id = found.job_id"""
# A key is its owner's own, so it is asked for with the owner.
_BY_KEY: Final = f"""{_COLUMNS} from job
where job.owner_id = %(id)s and job.idempotency_key = %(text)s"""
_BATCH_OF_KEY: Final = "select id from batch where owner_id = %(id)s and key = %(text)s"

STATEMENTS: Final = (_BY_ID, _BY_BATCH, _BY_OWNER, _BY_BACKEND, _BY_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A job as a list shows it."""

    id: UUID
    state: str
    tier: str
    model: str
    attempt: int
    pool: str
    created_at: Any
    finished_at: Any
    prompt: str
    is_cancel_requested: bool
    owner_id: UUID
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a term led to: as which kind of id it was understood, and the jobs."""

    meaning: str
    rows: Sequence[Row]
    # Whose they are, where the term was somebody.
    owner_id: UUID | None = None


def find(term: str) -> Found:
    """Find jobs by one term: our id in any form, a batch, a server's id, an e-mail address, or that and a key."""
    text = term.replace("\x00", "").strip()[:_LONGEST]
    if "@" in text:
        return _of_person(text)
    job_id = read_job_id(text)
    if job_id is not None:
        for meaning, statement in (("Job", _BY_ID), ("Batch", _BY_BATCH), ("Owner", _BY_OWNER)):
            if rows := _rows(statement, id=job_id):
                return Found(
                    meaning=meaning, rows=rows, owner_id=job_id if meaning == "Owner" else None
                )
    if rows := _rows(_BY_BACKEND, text=text):
        return Found(meaning="Backend's id", rows=rows)
    return Found(meaning="", rows=())


def emails(owner_ids: Collection[UUID]) -> dict[UUID, str]:
    """Give the e-mail addresses of owners, by their ids."""
    people = get_user_model().objects.filter(pk__in=owner_ids)
    return dict(people.values_list("pk", "email"))


def _of_person(text: str) -> Found:
    email, _, key = text.partition(" ")
    people = get_user_model().objects.filter(email=email.lower())
    owner_id = people.values_list("pk", flat=True).first()
    if owner_id is None:
        return Found(meaning="", rows=())
    if not key.strip():
        return Found(meaning="Owner", rows=_rows(_BY_OWNER, id=owner_id), owner_id=owner_id)
    rows = _rows(_BY_KEY, id=owner_id, text=key.strip())
    if rows:
        return Found(meaning="Idempotency key", rows=rows, owner_id=owner_id)
    with connection.cursor() as cursor:
        cursor.execute(_BATCH_OF_KEY, {"id": owner_id, "text": key.strip()})
        batch = cursor.fetchone()
    found = _rows(_BY_BATCH, id=batch[0]) if batch else []
    return Found(meaning="Batch of a key" if found else "", rows=found, owner_id=owner_id)


def _rows(statement: str, **values: Any) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"most": MOST, **values})
        rows = cursor.fetchall()
    people = emails({row[10] for row in rows})
    return [
        Row(
            id=row[0],
            state=row[1],
            tier=row[2],
            model=row[3],
            attempt=row[4],
            pool=row[5] or "",
            created_at=row[6],
            finished_at=row[7],
            prompt=row[8],
            is_cancel_requested=row[9] is not None,
            owner_id=row[10],
            owner=people.get(row[10], ""),
        )
        for row in rows
    ]
