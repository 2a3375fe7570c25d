"""What must be true of the database at any moment, as statements that find what is not.

Each gives the rows that break it, at most a handful; no row is the proof that it holds.
"""

from dataclasses import dataclass
from typing import Final

from django.db import connection

_SHOWN: Final = 5

# Name, the sentence that must be true, the statement that finds the opposite.
INVARIANTS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "legal_moves",
        "A job moves only as the table of moves says.",
        """
        select job_id, from_state, to_state from job_transition
        where from_state || '>' || to_state <> all (%(moves)s)
        """,
    ),
    (
        "one_end",
        "A job ends at most once.",
        """
        select job_id, count(*) from job_transition
        where to_state in ('succeeded', 'failed', 'canceled', 'expired')
        group by job_id having count(*) > 1
        """,
    ),
    (
        "unbroken_path",
        "A job's history has no gap: each move begins where the one before it ended.",
        """
        select job_id, version from (
            select job_id, version, from_state,
                lag(to_state, 1, '') over (partition by job_id order by version) as before
            from job_transition
        ) steps where from_state <> before
        """,
    ),
    (
        "state_is_last_move",
        "A job is in the state of its last move.",
        """
        select job.id, job.state, last.to_state from job left join lateral (
            select to_state, attempt from job_transition
            where job_id = job.id order by version desc limit 1
        ) last on true
        where job.state is distinct from last.to_state or job.attempt <> last.attempt
        """,
    ),
    (
        "one_reserve",
        "Every job has one reservation, of what it reserved.",
        """
        select job.id from job left join ledger_entry e on e.job_id = job.id and e.kind = 'reserve'
        where e.id is null or e.held_delta <> job.credits_reserved
        """,
    ),
    (
        "settled_iff_ended",
        "A job is settled once when it has ended, and not before.",
        """
        select job.id, job.state, count(e.id) from job
        left join ledger_entry e on e.job_id = job.id and e.kind in ('capture', 'release')
        group by job.id
        having count(e.id) <> (job.finished_at is not null)::int
        """,
    ),
    (
        "captured_iff_succeeded",
        "Only a finished video is charged.",
        """
        select job.id, job.state, e.kind from job
        join ledger_entry e on e.job_id = job.id and e.kind = 'capture'
        where job.state <> 'succeeded' or job.credits_charged <> -(e.held_delta + e.balance_delta)
        """,
    ),
    (
        "balance_is_the_sum",
        "An account's balance and what is held are the sums of its entries.",
        """
        select a.owner_id, a.balance, a.held from account a left join lateral (
            select coalesce(sum(balance_delta), 0) as balance, coalesce(sum(held_delta), 0) as held
            from ledger_entry where account_id = a.owner_id
        ) s on true
        where a.balance <> s.balance or a.held <> s.held
        """,
    ),
    (
        "never_overdrawn",
        "No account was below zero at any moment.",
        """
        select account_id, id from (
            select account_id, id, sum(balance_delta) over (partition by account_id order by id) as b
            from ledger_entry
        ) running where b < 0
        """,
    ),
    (
        "live_count",
        "An account counts its live jobs.",
        """
        select a.owner_id, a.live_count, count(job.id) from account a
        left join job on job.owner_id = a.owner_id and job.finished_at is null
        group by a.owner_id having a.live_count <> count(job.id)
        """,
    ),
    (
        "lease_iff_holding",
        "A job holds a lease of its own attempt exactly while it is dispatched or running.",
        """
        select job.id, job.state, lease.attempt from job left join lease on lease.job_id = job.id
        where (job.state in ('dispatched', 'running')) <> (lease.job_id is not null)
            or lease.attempt <> job.attempt
        """,
    ),
    (
        "attempts_counted",
        "Attempts are numbered from one without a gap, and only the last may be open.",
        """
        select job.id, job.attempt, count(a.id) from job left join attempt a on a.job_id = job.id
        group by job.id
        having count(a.id) <> job.attempt
            or count(a.id) filter (where a.ended_at is null)
                <> (job.state in ('dispatched', 'running'))::int
        """,
    ),
    (
        "one_place_in_line",
        "A waiting job stands in its line, or waits for its due time; nobody else stands there.",
        """
        select coalesce(job.id, b.job_id), job.state from job
        full join backlog b on b.job_id = job.id
        where (job.state = 'queued' and job.due_at is null) is distinct from (b.job_id is not null)
            and (job.state = 'queued' or b.job_id is not null)
        """,
    ),
    (
        "video_of_the_winner",
        "A video belongs to a job that succeeded, by an attempt that succeeded.",
        """
        select job.id, job.state, a.outcome from job
        left join attempt a on a.job_id = job.id and a.number = job.attempt
        where (job.state = 'succeeded') <> (job.video_url <> '')
            or (job.state = 'succeeded' and a.outcome is distinct from 'succeeded')
        """,
    ),
    (
        "event_of_every_move",
        "Every move was announced once.",
        """
        select t.job_id, t.version, count(e.id) from job_transition t
        left join outbox_event e on e.subject_id = t.job_id
            and (e.payload->>'version')::int = t.version and e.name <> 'job.cancel_requested'
        group by t.job_id, t.version having count(e.id) <> 1
        """,
    ),
    (
        "gap_free_feed",
        "An owner's feed has every number from one to its head.",
        """
        select h.owner_id, h.sequence, count(e.id) from feed_head h
        left join outbox_event e on e.owner_id = h.owner_id and e.sequence is not null
        group by h.owner_id, h.sequence
        having count(e.id) <> h.sequence or max(e.sequence) <> h.sequence
        """,
    ),
    (
        "one_notice",
        "A job's end is noticed at most once.",
        """
        select subject_id, count(*) from notification
        where name in ('job.succeeded', 'job.failed', 'job.expired')
        group by subject_id having count(*) > 1
        """,
    ),
    (
        "key_of_the_job",
        "A key belongs to the job that it made, of the same owner.",
        """
        select k.owner_id, k.job_id from idempotency_key k left join job on job.id = k.job_id
        where job.id is null or job.owner_id <> k.owner_id
            or job.idempotency_key is distinct from k.key
        """,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """An invariant that does not hold, with some of the rows that break it."""

    name: str
    sentence: str
    rows: tuple[tuple[object, ...], ...]

    def __str__(self) -> str:
        shown = "; ".join(", ".join(map(str, row)) for row in self.rows)
        return f"{self.name}: {self.sentence} Not so for: {shown}"


def violations(moves: list[str]) -> list[Violation]:
    """Check every invariant in one snapshot; `moves` lists the legal ones as `from>to`."""
    found = []
    with connection.cursor() as cursor:
        for name, sentence, statement in INVARIANTS:
            cursor.execute(f"{statement} limit {_SHOWN}", {"moves": moves})
            if rows := cursor.fetchall():
                found.append(Violation(name=name, sentence=sentence, rows=tuple(rows)))
    return found
